/**
 * Requests to this server's own API: with the CSRF token, JSON in and out, and the one error shape as an exception.
 */

export class HttpError extends Error {
  constructor(status, { code = "internal", message, details = null, reference = null } = {}) {
    super(message || "The server could not be reached. Check the network, then try again.");
    this.status = status;
    this.code = code;
    this.details = details;
    this.reference = reference;
  }
}

const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

export const getJson = (url) => send("GET", url);
export const postJson = (url, body = {}, headers = {}, options = {}) => send("POST", url, body, headers, options);
export const deleteJson = (url) => send("DELETE", url, {});

/** A page or a part of one, rendered by the server, as a document whose scripts never run. */
export async function getDocument(url) {
  const response = await reach(url, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new HttpError(response.status, { message: `The server answered ${response.status}.` });
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Sends a form as a browser does, and resolves to the page that answers, also to one that refuses with a reason. */
export async function sendForm(form) {
  const response = await reach(form.action, { method: "POST", headers: { Accept: "text/html" }, body: new URLSearchParams(new FormData(form)) });
  if (!response.ok && response.status !== 409) throw new HttpError(response.status, { message: `The server answered ${response.status}.` });
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

async function send(method, url, body, headers = {}, further = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers }, ...further };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
    options.headers["X-CSRFToken"] = csrfToken();
  }
  const response = await reach(url, options);
  const data = await response.json().catch(() => null);
  if (!response.ok) throw new HttpError(response.status, data?.error);
  return data;
}

async function reach(url, options) {
  try {
    return await fetch(url, { credentials: "same-origin", redirect: "follow", ...options });
  } catch {
    throw new HttpError(0);
  }
}
