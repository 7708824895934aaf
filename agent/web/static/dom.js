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

/** 75 → "1:15". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

let forget;

/** Says something short at the edge of the page, for eyes and for screen readers. */
export function toast(text) {
  clearTimeout(forget);
  byId("copied").textContent = text;
  forget = setTimeout(() => (byId("copied").textContent = ""), 2000);
}

/** Copies a text, and says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast(`${what} could not be copied: this browser does not allow it here`);
  }
}

/** Makes a button of an id: it shows the beginning, and copies the whole. */
export function copies(button, id, what) {
  button.replaceChildren(el("span", { class: "sr", text: `Copy the ${what} ` }), id.slice(0, 8));
  button.title = `${id}: copy`;
  button.onclick = () => copy(id, what);
}

/** Saves a text as a file. */
export function save(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Shows or hides an element. A focus inside of one that goes moves on: it would fall to the page. */
export function show(id, on, next = "talk") {
  const node = byId(id);
  const held = !on && node.contains(document.activeElement);
  node.hidden = !on;
  if (held) byId(next).focus({ preventScroll: true });
}
