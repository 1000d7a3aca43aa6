// @ts-check
// What an error category means, and what to do.
import { get } from "./api.js";
import { el, fill } from "./dom.js";
import { at } from "./links.js";

/**
 * What stands between backticks is code.
 * @param {string} text
 */
export const withCode = (text) => text.split("`").map((part, n) => (n % 2 ? el("code", {}, part) : part));

/**
 * @param {Element} page
 * @param {{ id: string }} where
 */
export async function problem(page, { id }) {
  const shown = await get(`problems/${encodeURIComponent(id)}`);
  const fact = (/** @type {string} */ name, /** @type {any} */ value) => [el("dt", {}, name), el("dd", {}, value)];
  fill(
    page,
    el("h1", {}, `${shown.name}: ${shown.title}`),
    el(
      "dl",
      { class: "facts" },
      fact("What it means", withCode(shown.meaning)),
      fact("Caused by", shown.caused_by),
      fact("What to do", withCode(shown.what_to_do)),
      fact("OMS tries again", shown.worth_retrying ? "yes" : "no"),
      fact("For clients", el("code", {}, shown.page)),
    ),
    el("p", {}, el("a", { href: at("search", { category: shown.name }) }, "Requests with this error")),
  );
}
