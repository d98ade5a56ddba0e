/**
 * A field that takes several words, shown as chips: Enter or a comma makes one, Backspace takes the last away. What is
 * sent is the same comma-separated text as without scripts.
 */
import { find, fromTemplate, setText } from "./hooks.js";

/** The words of a text, separated by commas or line ends. */
export function splitTokens(text) {
  return text.split(/[,\r\n]+/).map((part) => part.trim()).filter(Boolean);
}

export class TokensField {
  #tokens = [];

  constructor(wrapper) {
    this.wrapper = wrapper;
    this.input = find(wrapper, "tokens-input");
    this.sent = Object.assign(document.createElement("input"), { type: "hidden", name: this.input.name });
    this.input.removeAttribute("name");
    this.input.classList.remove("input");
    wrapper.classList.add("tokens");
    wrapper.prepend(this.sent);
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("input", () => /[,\n]/.test(this.input.value) && this.#take());
    this.input.addEventListener("change", () => this.#take());
    wrapper.addEventListener("click", (event) => this.#clicked(event));
    this.#take();
  }

  set(tokens) {
    this.#tokens = [...new Set(tokens)];
    this.#paint();
  }

  #key(event) {
    if (event.key === "Enter" && this.input.value.trim()) {
      event.preventDefault();
      this.#take();
    } else if (event.key === "Backspace" && !this.input.value && this.#tokens.length) {
      this.set(this.#tokens.slice(0, -1));
      this.#changed();
    }
  }

  #clicked(event) {
    const remove = event.target.closest("[data-token-remove]");
    if (remove) {
      const gone = find(remove.closest("[data-token-value]"), "token-text").textContent;
      this.set(this.#tokens.filter((token) => token !== gone));
      this.#changed();
    }
    this.input.focus();
  }

  #take() {
    const typed = splitTokens(this.input.value);
    this.input.value = "";
    this.set([...this.#tokens, ...typed]);
    if (typed.length) this.#changed();
  }

  #paint() {
    for (const chip of this.wrapper.querySelectorAll("[data-token-value]")) chip.remove();
    for (const token of this.#tokens) {
      const chip = fromTemplate("token");
      chip.dataset.tokenValue = token;
      setText(find(chip, "token-text"), token);
      find(chip, "token-remove").setAttribute("aria-label", `Remove ${token}`);
      this.input.before(chip);
    }
    this.sent.value = this.#tokens.join(", ");
  }

  #changed() {
    this.sent.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
