/** What was typed into a form and not sent is there again after a reload or a way back; secrets are never kept. */
import { splitTokens } from "./tokens_field.js";

const LEFT_OUT = new Set(["csrf_token", "idempotency_key", "form"]);

/** `fields` are the token fields of the form, told when their text has been put back. */
export function keepUnsent(form, { isRefused, fields }) {
  const key = `taskroom.unsent:${location.pathname}`;
  const store = sessionStorage;
  if (isRefused || location.search) store.removeItem(key);
  else putBack(form, read(store, key), fields);
  form.addEventListener("input", () => store.setItem(key, JSON.stringify(values(form))));
  form.addEventListener("change", () => store.setItem(key, JSON.stringify(values(form))));
  form.addEventListener("submit", () => store.removeItem(key));
}

function controls(form) {
  return [...form.elements].filter((one) => one.name && !LEFT_OUT.has(one.name) && !/^(password|submit|file)$/.test(one.type) && !("uploadId" in one.dataset));
}

function values(form) {
  return controls(form).map((one) => [one.name, one.value, "checked" in one && /checkbox|radio/.test(one.type) ? one.checked : null]);
}

function putBack(form, kept, fields) {
  for (const [name, value, checked] of kept) {
    const field = fields.find((one) => one.sent.name === name);
    const control = controls(form).find((one) => one.name === name && (checked === null || one.value === value));
    if (field) field.set(splitTokens(value));
    else if (control && checked === null) control.value = value;
    else if (control) control.checked = checked;
  }
}

function read(store, key) {
  try {
    return JSON.parse(store.getItem(key) ?? "[]");
  } catch {
    return [];
  }
}
