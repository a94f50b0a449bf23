/**
 * Elements from names, attributes and children. Texts become text nodes and nothing else: no string of
 * anybody's is ever read as markup, which the page's policy (Trusted Types) also forbids.
 */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Make an HTML element.
 * @param {string} name
 * @param {Record<string, unknown>} [attributes] `onclick` and its like are listeners; null is left out.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Make an SVG element; see `make`. */
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...clean(children));
  return element;
}

function clean(children) {
  return children.flat().filter((child) => child !== null && child !== undefined && child !== false);
}

/** Put children in the place of whatever an element holds. */
export function put(element, ...children) {
  element.replaceChildren(...clean(children));
  return element;
}

/** Return the element of an id, which the page has. */
export function get(id) {
  return document.getElementById(id);
}
