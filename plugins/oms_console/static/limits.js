// @ts-check
// Limits of source systems: no client takes all of Thunderhead.
import { change, get } from "./api.js";
import { UNTIL, ask, untilOf } from "./dialog.js";
import { draw, el, plainButton } from "./dom.js";
import { table } from "./table.js";
import { instant, toInput } from "./times.js";
import { number } from "./words.js";

const MOST = [
  { name: "most_in_flight", label: "Most requests in flight", help: "In hand and at Thunderhead together." },
  { name: "most_per_second", label: "Most submits a second", help: "Documents that are handed to Thunderhead." },
];

/**
 * The section of the limits; it is drawn by what is returned.
 * @param {Element} place
 * @param {any} me
 */
export function sourceSystemLimits(place, me) {
  const set = async (/** @type {any} */ row) => {
    const known = row ? [] : await get("reference/reference-data?type=SOURCE_SYSTEM").catch(() => []);
    const name = {
      name: "source_system",
      label: "Source system",
      required: true,
      offered: known.map((/** @type {any} */ one) => one.refDataValue),
    };
    const most = MOST.map(({ help, ...field }) => ({
      ...field,
      type: "number",
      value: row?.[field.name],
      help: `${help} Empty: no limit.`,
    }));
    const rows = await ask({
      title: row ? `Limit ${row.source_system}` : "Limit a source system",
      fields: [...(row ? [] : [name]), ...most, { ...UNTIL, value: toInput(row?.until) }],
      go: "Set limits",
      act: ({ source_system, until, ...values }) =>
        change("PUT", `source-system-limits/${encodeURIComponent(row?.source_system ?? source_system.trim())}`, {
          ...Object.fromEntries(MOST.map((field) => [field.name, Number(values[field.name]) || null])),
          until: untilOf(until),
          version: row?.version ?? null,
        }),
    });
    if (rows) view(rows);
  };
  const columns = [
    { head: "Source system", kind: "wrap", cell: (/** @type {any} */ row) => row.source_system },
    ...MOST.map(({ name, label }) => ({
      head: label,
      kind: "n",
      cell: (/** @type {any} */ row) => (row[name] === null ? null : number(row[name])),
    })),
    { head: "By", cell: (/** @type {any} */ row) => [row.set_by, " ", instant(row.set_at)] },
    { head: "Until", cell: (/** @type {any} */ row) => instant(row.until) ?? "it is removed" },
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
