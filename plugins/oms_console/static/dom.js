// @ts-check
// Building pages out of elements. Data becomes text nodes, never markup: error texts are hostile.
import morphdom from "./vendor/morphdom.js";

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Child | Child[] | (Child | Child[])[]} Children */

const HANDLERS = ["onclick", "onchange", "oninput", "onsubmit", "ontoggle", "onkeydown"];
const COPY = "M5 5h8v9H5z M3 11V2h8";
const ATTRIBUTES = new Set(["role", "for", "colspan", "list", "form"]);

/** @param {unknown} child */
const isShown = (child) => child !== null && child !== undefined && child !== false;

/**
 * An element. `on...` are handlers; names with a hyphen, and some others, attributes; the rest are properties.
 * @param {string} tag
 * @param {Record<string, any>} props
 * @param {...any} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const made = /** @type {any} */ (document.createElement(tag));
  for (const [name, value] of Object.entries(props)) {
    if (!isShown(value)) continue;
    if (name === "class") made.className = value;
    else if (name.includes("-") || ATTRIBUTES.has(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat(Infinity).filter(isShown));
  return made;
}

/**
 * A button beside others; the main one of a page or dialog looks different.
 * @param {string} text
 * @param {() => any} onclick
 * @param {Record<string, any>} more properties of the element
 */
export const plainButton = (text, onclick, more = {}) =>
  el("button", { class: "plain", type: "button", onclick: once(onclick), ...more }, text);

/**
 * The same, but a second click before the first is done does nothing: a double click asks one question.
 * @param {() => any} act
 */
function once(act) {
  let isBusy = false;
  return async () => {
    if (isBusy) return;
    isBusy = true;
    try {
      await act();
    } finally {
      isBusy = false;
    }
  };
}

/**
 * An element of an SVG drawing.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...any} children
 */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat(Infinity).filter(isShown));
  return made;
}

/**
 * Put `children` in the place of all that `parent` holds.
 * @param {Element} parent
 * @param {...any} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter(isShown));
}

/**
 * Change what `parent` holds into `children`, element by element. What stays the same stays the same element, so it
 * keeps the focus, what is unfolded and what was typed. Rows with the same `data-key` are the same row.
 * @param {Element} parent
 * @param {...any} children
 */
export function draw(parent, ...children) {
  const wanted = /** @type {Element} */ (parent.cloneNode(false));
  fill(wanted, ...children);
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  morphdom(parent, wanted, {
    childrenOnly: true,
    getNodeKey: (/** @type {any} */ node) => node.dataset?.key || node.id,
    onBeforeElUpdated: (/** @type {any} */ from, /** @type {any} */ to) => {
      for (const name of HANDLERS) from[name] = to[name];
      if (from.tagName === "DETAILS") to.open = from.open;
      return !(from === document.activeElement && from.matches("input:not([type=checkbox]), textarea, select"));
    },
  });
  // A row that was moved has lost the focus.
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/**
 * Tell something in passing; screen readers say it. `undo` is offered as a button.
 * @param {string} text
 * @param {(() => void) | null} undo
 */
export function say(text, undo = null) {
  const said = /** @type {any} */ (document.getElementById("said"));
  fill(said, text, undo ? plainButton("Undo", undo) : null);
  said.classList.add("shown");
  clearTimeout(said.timer);
  said.timer = setTimeout(() => said.classList.remove("shown"), undo ? 30000 : 6000);
}

/**
 * A box that says what is wrong, or what to do.
 * @param {string} kind
 * @param {...any} children
 */
export const note = (kind, ...children) =>
  el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : undefined }, ...children);

/**
 * What a list shows that is empty: what that means, and what to do.
 * @param {string} title
 * @param {...any} what
 */
export const empty = (title, ...what) =>
  el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), el("p", {}, ...what));

/**
 * A button that copies a text.
 * @param {string} text
 * @param {string} what
 */
export function copyButton(text, what) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Airflow's frame may not use the clipboard by itself
      const hidden = el("textarea", { value: text, class: "away", "aria-hidden": "true" });
      document.body.append(hidden);
      hidden.select();
      document.execCommand("copy");
      hidden.remove();
    }
    say(`Copied ${what}.`);
  };
  return el(
    "button",
    { type: "button", class: "copy", "aria-label": `Copy ${what}`, title: `Copy ${what}`, onclick: copy },
    svg(
      "svg",
      { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
      svg("path", { d: COPY, class: "icon" }),
    ),
  );
}
