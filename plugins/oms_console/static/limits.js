// @ts-check
// Limits of source systems: no client takes all of Thunderhead.
import { change, get } from "./api.js";
import { ask } from "./dialog.js";
import { draw, el, plainButton } from "./dom.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { number } from "./words.js";

/**
 * The section of the limits; it is drawn by what is returned.
 * @param {Element} place
 * @param {any} me
 */
export function sourceSystemLimits(place, me) {
  const put = (/** @type {string} */ name, /** @type {any} */ most, /** @type {any} */ seen) =>
    change("PUT", `source-system-limits/${encodeURIComponent(name)}`, { most_in_flight: most, seen });
  const set = async (/** @type {any} */ row) => {
    const known = row ? [] : await get("reference/reference-data?type=SOURCE_SYSTEM").catch(() => []);
    const name = {
      name: "source_system",
      label: "Source system",
      required: true,
      offered: known.map((/** @type {any} */ one) => one.refDataValue),
    };
    const most = {
      name: "most_in_flight",
      label: "Most requests in flight",
      type: "number",
      value: row?.most_in_flight,
      help: "In hand and at Thunderhead together. Empty: no limit.",
    };
    const rows = await ask({
      title: row ? `Limit ${row.source_system}` : "Limit a source system",
      fields: row ? [most] : [name, most],
      go: "Set limit",
      act: (values) =>
        put(
          row?.source_system ?? values.source_system.trim(),
          Number(values.most_in_flight) || null,
          row?.most_in_flight ?? null,
        ),
    });
    if (rows) view(rows);
  };
  const columns = [
    { head: "Source system", cell: (/** @type {any} */ row) => row.source_system },
    { head: "Most in flight", kind: "n", cell: (/** @type {any} */ row) => number(row.most_in_flight) },
    { head: "By", cell: (/** @type {any} */ row) => [row.set_by, " ", instant(row.set_at)] },
    me.may.act && {
      head: "",
      cell: (/** @type {any} */ row) => plainButton("Change …", () => set(row)),
    },
  ];
  const view = (/** @type {any[]} */ rows) =>
    draw(
      place,
      el(
        "div",
        { class: "title" },
        el("h2", {}, "Limits of source systems"),
        me.may.act ? plainButton("Limit a source system …", () => set(null)) : null,
      ),
      rows.length
        ? table(columns, rows, { key: (row) => `limit-${row.source_system}`, label: "Limits of source systems" })
        : el("p", { class: "quiet" }, "No source system has a limit of its own. To pause one, hold its requests."),
    );
  return view;
}
