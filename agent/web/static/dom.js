/**
 * Makes an element. Text is always text: nothing here parses HTML.
 *
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `text` is the content, `on…` a listener, `class` and the others
 *   attributes; null and false leave an attribute out
 * @param {...(Node | string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = String(value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** 1234.5 → "1,235". */
export const whole = (value) => Math.round(value).toLocaleString("en-US");
