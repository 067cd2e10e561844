/* Nodes are built, never parsed, so received text stays text. */

/** @param {string} name @param {Record<string, any>} [attributes] @param {...any} children @returns {HTMLElement} */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** @param {string} name @param {Record<string, any>} [attributes] @param {...any} children @returns {SVGElement} */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(key, String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}

export const $ = (id) => document.getElementById(id);

export const icon = (id, size = 12) =>
  s("svg", { width: size, height: size, class: "g", "aria-hidden": "true" }, s("use", { href: `#${id}` }));

/** Replaces the children of a node, and keeps the focus on the one with the same id. */
export function keeping(parent, children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.id : "";
  parent.replaceChildren();
  fill(parent, {}, children);
  if (focused) $(focused)?.focus({ preventScroll: true });
}

/** Copies a text, and says so. */
export async function copy(text, words) {
  try {
    await navigator.clipboard.writeText(text);
    toast(words);
  } catch {
    toast(`The browser does not allow copying: ${text}`);
  }
}

let quiet;
/** Shows a sentence for a moment. */
export function toast(words) {
  $("toast").textContent = words;
  $("toast").classList.add("up");
  clearTimeout(quiet);
  quiet = setTimeout(() => $("toast").classList.remove("up"), 4000);
}

let opener = null;
/** Opens the dialog with these nodes. */
export function show(...children) {
  const dialog = $("dialog");
  dialog.replaceChildren(...children);
  if (!dialog.open) {
    opener = document.activeElement;
    dialog.showModal();
  }
}

export const shut = () => $("dialog").close();

$("dialog").addEventListener("close", () => opener?.isConnected && opener.focus());
$("dialog").addEventListener("click", (event) => event.target === $("dialog") && shut());
