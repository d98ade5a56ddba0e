/**
 * Sign-in, setup and account forms: shows a password on request, and counts a new one while it is typed.
 * Without this module the forms work the same; the buttons stay hidden.
 */

for (const button of document.querySelectorAll("[data-show-password]")) {
  const input = document.getElementById(button.dataset.showPassword);
  const word = button.lastChild;
  button.hidden = false;
  const show = (isShown) => {
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
    word.textContent = isShown ? "Hide" : "Show";
  };
  button.addEventListener("click", () => show(input.type === "password"));
  // A shown password must not be kept by the browser as ordinary form text.
  input.form.addEventListener("submit", () => show(false));
}

for (const help of document.querySelectorAll("[data-length-of]")) {
  const input = document.getElementById(help.dataset.lengthOf);
  const least = Number(input.dataset.minLength);
  const atFirst = help.textContent;
  input.addEventListener("input", () => {
    const length = [...input.value].length;
    help.classList.toggle("ok", length >= least);
    if (length === 0) help.textContent = atFirst;
    else if (length >= least) help.textContent = `${length} characters`;
    else help.textContent = `${length} of at least ${least} characters`;
  });
}
