// Building pages out of elements. Data becomes text nodes, never markup: error texts are hostile.

/** An element. Members of `props` are properties, `data-`/`aria-`/`role`-like ones attributes, `on...` listeners. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name.includes("-") || name === "role" || name === "for" || name === "colspan" || name === "list")
      made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** An element of an SVG drawing. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** Put `children` in the place of all that `parent` holds. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** Tell something in passing; screen readers say it. */
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  said.classList.add("shown");
  clearTimeout(said.timer);
  said.timer = setTimeout(() => said.classList.remove("shown"), 6000);
}

/** A box that says what is wrong, or what to do. */
export const note = (kind, ...children) => el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : undefined }, ...children);

/** What a list shows that is empty: what that means, and what to do. */
export const empty = (title, ...what) => el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), el("p", {}, ...what));
