// @ts-check
// Holds: what is not claimed until somebody releases it.
import { asOperation } from "./actions.js";
import { change, get } from "./api.js";
import { REASON, ask } from "./dialog.js";
import { draw, el, plainButton } from "./dom.js";
import { at } from "./links.js";
import { table } from "./table.js";
import { instant, instantsOf } from "./times.js";
import { number, plural } from "./words.js";

const FIELDS = [
  { name: "source_system", label: "Source system", of: "SOURCE_SYSTEM" },
  { name: "document_type", label: "Document type", of: "DOCUMENT_TYPE" },
  { name: "document_name", label: "Document name", of: "DOCUMENT_NAME" },
];

const NAMED = [...FIELDS, { name: "run_id", label: "Run" }];

/** @param {any} hold the filter of its requests */
const filterOf = (hold) =>
  Object.fromEntries(NAMED.filter(({ name }) => hold[name]).map(({ name }) => [name, hold[name]]));

/** @param {any} hold */
const what = (hold) =>
  NAMED.filter(({ name }) => hold[name])
    .map(({ name, label }) => `${label} ${hold[name]}`)
    .join(", ");

/**
 * The section of the holds in force; it is drawn by what is returned.
 * @param {Element} place
 * @param {any} me
 */
export function holds(place, me) {
  const begin = async () => {
    const known = await Promise.all(FIELDS.map(({ of }) => get(`reference/reference-data?type=${of}`).catch(() => [])));
    const fields = FIELDS.map(({ name, label }, n) => ({
      name,
      label,
      offered: known[n].map((/** @type {any} */ row) => row.refDataValue),
    }));
    const until = { name: "until", label: "Until", type: "datetime-local", help: "Empty: until somebody releases it." };
    const rows = await ask({
      title: "Hold requests",
      content: el(
        "p",
        {},
        "Requests that match all of these are not claimed: those that are queued, and those that come later.",
      ),
      fields: [...fields, until, REASON],
      go: "Hold",
      act: (values) => {
        const said = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
        if (said.until) said.until = instantsOf(said.until)[0];
        return change("POST", "holds", said);
      },
    });
    if (rows) view(rows);
  };
  const release = async (/** @type {any} */ hold) => {
    const rows = await ask({
      title: `Release ${what(hold)}?`,
      content: el("p", {}, `The next run claims what is queued: ${plural(hold.number, "request")}.`),
      go: "Release",
      act: () => change("DELETE", `holds/${hold.hold_id}`, {}),
    });
    if (rows) view(rows);
  };
  const withdraw = (/** @type {any} */ hold) =>
    asOperation("withdraw", { filter: { ...filterOf(hold), state: "held" } });
  const columns = [
    { head: "Held", cell: what },
    {
      head: "Queued",
      kind: "n",
      cell: (/** @type {any} */ hold) =>
        el("a", { href: at("search", { ...filterOf(hold), state: "held" }) }, number(hold.number)),
    },
    { head: "Why", cell: (/** @type {any} */ hold) => hold.reason },
    { head: "By", cell: (/** @type {any} */ hold) => [hold.held_by, " ", instant(hold.held_at)] },
    { head: "Until", cell: (/** @type {any} */ hold) => instant(hold.until) ?? "it is released" },
    me.may.act && {
      head: "",
      cell: (/** @type {any} */ hold) =>
        el(
          "div",
          { class: "buttons" },
          plainButton("Release …", () => release(hold)),
          plainButton("Withdraw …", () => withdraw(hold)),
        ),
    },
  ];
  const view = (/** @type {any[]} */ rows) =>
    draw(
      place,
      el("div", { class: "title" }, el("h2", {}, "Holds"), me.may.act ? plainButton("Hold requests …", begin) : null),
      rows.length
        ? table(columns, rows, { key: (hold) => hold.hold_id, label: "Holds" })
        : el(
            "p",
            { class: "quiet" },
            "Nothing is held. A hold stops one source system, document type or document. All others go on.",
          ),
    );
  return view;
}
