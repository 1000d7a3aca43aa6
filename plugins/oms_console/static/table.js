// @ts-check
// The one table of the console. On a phone each row is a card.
import { el } from "./dom.js";

/**
 * @typedef {object} Column
 * @property {string} head the column's name; it stands beside the value on a phone
 * @property {(row: any) => any} cell what the row shows there
 * @property {string} [kind] a class: `n` for numbers, `wrap` for texts and names that may be long, `box` for a check box
 * @property {any} [control] stands in the head instead of its name
 */

/**
 * @param {(Column | null | false)[]} columns what is null or false is left out
 * @param {any[]} rows
 * @param {{ key?: (row: any) => any, kind?: (row: any) => string, label?: string }} more
 */
export function table(columns, rows, { key, kind, label } = {}) {
  const shown = /** @type {Column[]} */ (columns.filter(Boolean));
  const head = (/** @type {Column} */ column) =>
    el(
      "th",
      { scope: "col", class: column.kind ?? "" },
      column.control ?? (column.head || el("span", { class: "away" }, "Actions")),
    );
  const line = (/** @type {any} */ row) =>
    el(
      "tr",
      { class: kind?.(row) ?? "", "data-key": key ? `row-${key(row)}` : null },
      shown.map((column) => el("td", { class: column.kind ?? "", "data-label": column.head }, column.cell(row) ?? "–")),
    );
  return el(
    "table",
    { class: "cards", "aria-label": label },
    el("thead", {}, el("tr", {}, shown.map(head))),
    el("tbody", {}, rows.map(line)),
  );
}
