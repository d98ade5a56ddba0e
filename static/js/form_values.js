/** What a start form says, as the parameters of the API: only what differs from the defaults, secrets left out. */
import { findAll } from "./hooks.js";
import { splitTokens } from "./tokens_field.js";

/** Answers `{name: value}` in the order of the form; a field `a.b` is the value `b` inside `a`. */
export function saidValues(form) {
  const said = {};
  for (const field of findAll(form, "default")) {
    const value = valueOf(field);
    const isEmpty = value === null || value === "" || value === undefined;
    if (!isEmpty && JSON.stringify(value) !== JSON.stringify(JSON.parse(field.dataset.default))) put(said, field.dataset.field, value);
  }
  return said;
}

function put(said, name, value) {
  const [outer, inner] = name.split(".");
  if (inner === undefined) said[name] = value;
  else (said[outer] ??= {})[inner] = value;
}

/** How many of these fields differ from their defaults. */
export function changedCount(fields) {
  return fields.filter((field) => JSON.stringify(valueOf(field) ?? null) !== JSON.stringify(JSON.parse(field.dataset.default))).length;
}

function valueOf(field) {
  const tokens = field.querySelector("[data-tokens] input[type=hidden]") ?? field.querySelector("[data-tokens-input]");
  if (tokens) return splitTokens(tokens.value);
  const controls = [...field.querySelectorAll("input, select, textarea")].filter((one) => one.type !== "password");
  const [first] = controls;
  if (!first) return null;
  if (first.type === "radio") return controls.find((one) => one.checked)?.value ?? null;
  if (first.type === "checkbox" && field.localName === "fieldset") return controls.filter((one) => one.checked).map((one) => one.value);
  if (first.type === "checkbox") return first.checked;
  const text = first.value.trim();
  if (first.type === "number") return text === "" ? null : Number(text);
  return text === "" && JSON.parse(field.dataset.default) === null ? null : text;
}
