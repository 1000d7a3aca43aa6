// @ts-check
// Holds: what is not claimed until somebody releases it.
import { asOperation } from "./actions.js";
import { change, get } from "./api.js";
import { REASON, UNTIL, ask, untilOf } from "./dialog.js";
import { draw, el, plainButton } from "./dom.js";
import { at } from "./links.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { number, plural } from "./words.js";

const FIELDS = [
  { name: "source_system", label: "Source system", of: "SOURCE_SYSTEM" },
  { name: "document_type", label: "Document type", of: "DOCUMENT_TYPE" },
  { name: "document_name", label: "Document name", of: "DOCUMENT_NAME" },
];

/**
 * Ask why and until when, and hold. Returns the holds in force, or null.
 * @param {import("./dialog.js").Field[]} fields of the filter
 * @param {(values: Record<string, string>) => any} filterOf the filter of the search
 */
const askToHold = (fields, filterOf) =>
  ask({
    title: "Hold requests",
    content: el(
      "p",
      {},
      "Requests that match all conditions are not claimed: those that are queued, and those that come later. ",
      "What a job or Thunderhead has already is not stopped.",
    ),
    fields: [...fields, { ...UNTIL, help: "Empty: until somebody releases it." }, REASON],
    go: "Hold",
    act: ({ until, reason, ...values }) =>
      change("POST", "holds", { filter: filterOf(values), reason, until: untilOf(until) }),
  });

/**
 * Hold all that match a filter of the search, then show the holds.
 * @param {any} filter
 */
export async function holdMatching(filter) {
  if (await askToHold([], () => filter)) location.assign(at("systems"));
}

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
    const rows = await askToHold(fields, (values) => values);
    if (rows) view(rows);
  };
  const release = async (/** @type {any} */ hold) => {
    const rows = await ask({
      title: `Release ${hold.subject}?`,
      content: el("p", {}, `The next run claims what is queued: ${plural(hold.number, "request")}.`),
      go: "Release",
      fields: [REASON],
      act: ({ reason }) => change("DELETE", `holds/${hold.hold_id}`, { reason }),
    });
    if (rows) view(rows);
  };
  const columns = [
    { head: "Held", kind: "wrap", cell: (/** @type {any} */ hold) => hold.subject },
    {
      head: "Queued",
      kind: "n",
      cell: (/** @type {any} */ { hold_id, number: n }) =>
        el("a", { href: at("search", { hold_id }) }, Number(n) > 100_000 ? "more than 100,000" : number(n)),
    },
    { head: "Why", kind: "wrap", cell: (/** @type {any} */ hold) => hold.reason },
    { head: "By", cell: (/** @type {any} */ hold) => [hold.held_by, " ", instant(hold.held_at)] },
    { head: "Until", cell: (/** @type {any} */ hold) => instant(hold.until) ?? "it is released" },
    me.may.act && {
      head: "",
      cell: (/** @type {any} */ hold) =>
        el(
          "div",
          { class: "buttons" },
          plainButton("Release …", () => release(hold)),
          plainButton("Withdraw …", () => asOperation("withdraw", { filter: { hold_id: hold.hold_id } })),
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
            "Nothing is held. A hold stops one source system, document type or document, or all that match a search. ",
            "All others go on.",
          ),
    );
  return view;
}
