/** The page's elements. Data reaches the page as text nodes and attributes, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** @returns {HTMLElement} the element of this id; the page's HTML has it. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Makes an element.
 * @param {string} tag
 * @param {Object} attributes `on...` functions listen, `--...` set a CSS variable, true and false
 *   are present and absent, everything else is an attribute.
 * @param {...(Node|string|number|null)} children strings become text nodes, null is left out.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replaces what an element holds. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null));
}

/** Shows or hides. */
export function show(element, visible) {
  element.hidden = !visible;
}

let fading = 0;

/** Says something in passing, on the screen and to a screen reader. */
export function toast(text) {
  const place = byId("toast");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("shown"), 3500);
}

/** Says something to a screen reader only. */
export function announce(text) {
  byId("live").textContent = text;
}
