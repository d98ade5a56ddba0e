/** How page code touches the DOM: elements by `data-…`, text as text, and only what has changed. */

export const find = (root, hook) => root.querySelector(`[data-${hook}]`);
export const findAll = (root, hook) => [...root.querySelectorAll(`[data-${hook}]`)];

/** Writes into the text node that is there, so that a selection in it survives. */
export function setText(element, text) {
  if (!element) return;
  const node = element.firstChild;
  if (node?.nodeType === Node.TEXT_NODE && element.childNodes.length === 1) {
    if (node.data !== text) node.data = text;
  } else if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Sets an attribute, or takes it away for null, only where it differs. */
export function setAttribute(element, name, value) {
  if (!element) return;
  if (value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

export function setHidden(element, hidden) {
  if (element && element.hidden !== hidden) element.hidden = hidden;
}

/** The symbol of the page's sprite with this name. */
export function setIcon(element, name) {
  setAttribute(element?.querySelector("use"), "href", `#i-${name}`);
}

/** A fresh copy of what `<template data-template="name">` holds; null on a page without it. */
export function fromTemplate(name) {
  const template = document.querySelector(`template[data-template="${name}"]`);
  return template?.content.firstElementChild.cloneNode(true) ?? null;
}

export function button(text, { primary = false, onClick }) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = primary ? "btn go" : "btn";
  element.textContent = text;
  element.addEventListener("click", onClick);
  return element;
}

/** What only works with scripts is hidden in the server's markup until a script stands behind it. */
export function revealScripted(root) {
  for (const element of findAll(root, "needs-js")) element.hidden = false;
}
