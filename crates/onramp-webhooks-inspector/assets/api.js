/* Calls of the API. Addresses are relative, so the page works below any prefix. */

/** An error that the server explained, or that kept the server from being reached. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Problem(0, "The server cannot be reached.");
  }
  const body = await response.json().catch(() => ({}));
  if (response.status === 401 && path !== "login") dispatchEvent(new Event("signed-out"));
  if (!response.ok) throw new Problem(response.status, body.detail ?? `The server responded with ${response.status}.`);
  return body;
}

export const get = (path) => call(path, {});

export const post = (path, body = {}) => call(path, {
  method: "POST",
  headers: { "content-type": "application/json", "x-onramp-inspector": "1" },
  body: JSON.stringify(body),
});

export const act = (id, action, body) => post(`api/deliveries/${encodeURIComponent(id)}/${action}`, body);
