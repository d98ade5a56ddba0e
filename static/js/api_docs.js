/** The page that tries the API: each form becomes one request, and its answer is shown as text. */
import { find, findAll, revealScripted, setHidden, setText } from "./hooks.js";

const SHOWN_CHARACTERS = 200_000;

/** The address and options of the request that a form describes; empty fields are left out. */
export function requestOf(form, csrfToken) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = { Accept: "application/json" };
  for (const field of findAll(form, "place")) {
    const { name, value } = field;
    if (field.dataset.place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value.trim()));
    else if (value === "") continue;
    else if (field.dataset.place === "query") query.append(name, value);
    else headers[name] = value;
  }
  const options = { method: form.dataset.method, headers, credentials: "same-origin" };
  const body = find(form, "try-body");
  if (body) {
    options.body = body.value;
    headers["Content-Type"] = "application/json";
  }
  if (options.method !== "GET") headers["X-CSRFToken"] = csrfToken;
  const words = query.toString();
  return { url: words ? `${path}?${words}` : path, options };
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  const { url, options } = requestOf(form, token);
  const started = performance.now();
  setHidden(find(form, "try-answer"), false);
  setText(find(form, "try-status"), "Sent");
  try {
    const response = await fetch(url, options);
    const text = await response.text();
    const tookMs = Math.round(performance.now() - started);
    setText(find(form, "try-status"), `${response.status} ${response.statusText}, ${tookMs} ms`);
    setText(find(form, "try-text"), readable(text, response.headers.get("Content-Type") ?? ""));
  } catch {
    setText(find(form, "try-status"), "The server could not be reached.");
  }
}

function readable(text, type) {
  const shown = type.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}\n…` : shown;
}

/** A link to one operation shows it open. */
function openNamed() {
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (named?.localName === "details") named.open = true;
}

const page = document.querySelector('[data-page="api-docs"]');
if (page) {
  revealScripted(page);
  for (const form of findAll(page, "try")) form.addEventListener("submit", send);
  window.addEventListener("hashchange", openNamed);
  openNamed();
}
