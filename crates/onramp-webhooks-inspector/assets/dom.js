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
