// @ts-check
// The daily reconciliation: what was compared, what does not add up, and where to look.
import { get } from "./api.js";
import { draw, el, empty, note } from "./dom.js";
import { airflowLink, at, requestLink } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { number, plural } from "./words.js";

/** @type {Record<string, [string, string]>} each kind of discrepancy: what it means, what to do */
const KINDS = {
  NOT_ACCEPTED: ["A request without its first timeline entry.", "Rows were changed by hand, or OMS is at fault."],
  END_WITHOUT_EVENT: ["A request ended without a final event.", "Tell the client: no event says so."],
  EVENT_WITHOUT_END: ["A final event of an end that the timeline does not have.", "Ask the client what it has heard."],
  EVENT_SET_ASIDE: [
    "A final event could not be published.",
    "Correct the cause, then publish it again on the dashboard.",
  ],
  IN_NOBODYS_HANDS: [
    "A request is PROCESSING, and neither a slice nor Thunderhead has it.",
    "OMS is at fault: report it.",
  ],
  RUN_WITHOUT_EVENT: ["A run has completed without an event.", "Tell the client: no event says so."],
  RUN_DIFFERS: ["A completed run has another number of requests than its event says.", "Tell the client."],
  UNKNOWN_THERE: [
    "Thunderhead does not know a batch that it accepted.",
    "Ask the owner of Thunderhead whether a backup was restored.",
  ],
  DIFFERS: [
    "Thunderhead has another status for a batch.",
    "If it is FAILED here and COMPLETED there, retrigger: the same batch is polled.",
  ],
  ORPHAN: [
    "Thunderhead has a batch under our name that OMS does not know.",
    "Have it halted before you retrigger the request.",
  ],
  DOUBLE: [
    "Thunderhead has several batches of one name.",
    "A customer may get two letters: have the newer one halted.",
  ],
};
/** @type {[string, string, string[]][]} what is compared: name, its first figure, its kinds of discrepancies */
const EQUATIONS = [
  ["Requests taken in = ended + open", "requests_in", ["NOT_ACCEPTED", "IN_NOBODYS_HANDS"]],
  ["Ends = final events", "ends", ["END_WITHOUT_EVENT", "EVENT_WITHOUT_END", "EVENT_SET_ASIDE"]],
  ["Runs completed = events of runs", "runs_completed", ["RUN_WITHOUT_EVENT", "RUN_DIFFERS"]],
  ["Our batches = Thunderhead's", "batches", ["UNKNOWN_THERE", "DIFFERS", "ORPHAN", "DOUBLE"]],
];

/**
 * The number of discrepancies of a reconciliation. One of an earlier release has no numbers, only its verdict.
 * @param {any} row
 */
const wrongOf = ({ counts }) =>
  Object.keys(KINDS).reduce((sum, /** @type {string} */ kind) => sum + Number(counts[kind] ?? 0), 0);

/** @param {any} row */
function verdict(row) {
  if (row.adds_up) return el("span", { class: "good" }, "adds up");
  const wrong = wrongOf(row);
  return el("span", { class: "bad" }, wrong ? plural(wrong, "discrepancy", "discrepancies") : "does not add up");
}

const runLink = (/** @type {any} */ row, /** @type {string} */ text) =>
  airflowLink(`/dags/oms_reconciliation/runs/${encodeURIComponent(row.dag_run_id)}`, text);

/** @param {any[]} rows */
function days(rows) {
  if (!rows.length)
    return empty(
      "No day has been reconciled yet",
      "The job oms_reconciliation compares each UTC day after it is over.",
    );
  return table(
    [
      { head: "Day (UTC)", cell: (row) => el("a", { href: at(`reconciliations/${row.day}`) }, row.day) },
      { head: "Result", cell: verdict },
      { head: "Requests", kind: "n", cell: (row) => number(row.counts.requests_in) },
      { head: "Ends", kind: "n", cell: (row) => number(row.counts.ends) },
      { head: "Final events", kind: "n", cell: (row) => number(row.counts.events) },
      { head: "Batches", kind: "n", cell: (row) => number(row.counts.batches) },
      { head: "Compared", kind: "n", cell: (row) => number(row.counts.batches_compared) },
      { head: "Made", cell: (row) => instant(row.made_at) },
      { head: "Run", cell: (row) => runLink(row, "run and log") },
    ],
    rows,
    { key: (row) => row.day, label: "Reconciliations", kind: (row) => (row.adds_up ? "" : "red") },
  );
}

/** @param {any} shown */
function equations({ counts, kinds }) {
  const wrong = (/** @type {string[]} */ names) =>
    names
      .filter((name) => name in kinds)
      .map((name) => el("p", { class: "bad" }, `${name}: ${kinds[name] ? number(kinds[name]) : "see below"}`));
  return table(
    [
      { head: "Compared", cell: ([text]) => text },
      { head: "Number", kind: "n", cell: ([, first]) => number(counts[first]) },
      {
        head: "Result",
        cell: ([, , names]) => (wrong(names).length ? wrong(names) : el("span", { class: "good" }, "adds up")),
      },
    ],
    EQUATIONS,
    { label: "What was compared" },
  );
}

/**
 * The figures. Those of requests link to the requests of that day as they are now.
 * @param {any} shown
 */
function figures({ counts, names, window_from, window_to }) {
  const day = { created_from: window_from, created_to: window_to };
  /** @type {Record<string, Record<string, any>>} */
  const searches = {
    requests_in: day,
    requests_ended: { ...day, status: ["COMPLETED", "FAILED", "STOPPED"] },
    requests_open: { ...day, status: ["QUEUED", "PROCESSING"] },
  };
  const value = (/** @type {string} */ name) =>
    name in searches ? el("a", { href: at("search", searches[name]) }, number(counts[name])) : number(counts[name]);
  return table(
    [
      { head: "Counted", cell: ([, text]) => text },
      { head: "Number", kind: "n", cell: ([name]) => value(name) },
    ],
    Object.entries(names),
    { label: "Figures" },
  );
}

/** @param {any} shown */
function discrepancies({ discrepancies: rows, kinds, most_listed }) {
  return Object.keys(kinds).map((kind) => {
    const mine = rows.filter((/** @type {any} */ row) => row.kind === kind);
    const [means, todo] = KINDS[kind] ?? ["", ""];
    return el(
      "section",
      {},
      el("h2", {}, `${kind} (${number(kinds[kind] ?? mine.length)})`),
      el("p", {}, `${means} `, el("em", {}, todo)),
      table(
        [
          { head: "Request", cell: (row) => (row.request_id ? requestLink(row.request_id) : null) },
          { head: "Batch", cell: (row) => row.batch_name },
          { head: "Detail", cell: (row) => el("span", { class: "long" }, row.detail) },
        ],
        mine,
        { label: kind, key: (row) => `${kind}-${row.request_id}-${row.batch_name}-${row.detail}` },
      ),
      mine.length === most_listed
        ? el("p", { class: "quiet" }, `The first ${most_listed} of this kind are listed.`)
        : null,
    );
  });
}

/** @param {any} shown */
const oneDay = (shown, /** @type {string} */ day) => [
  el("h1", {}, `Reconciliation of ${day} (UTC)`),
  note(
    shown.adds_up ? "good" : "bad",
    el("strong", {}, shown.adds_up ? "Everything adds up. " : "This day does not add up. "),
    shown.adds_up ? "" : "Settle the cases below, then clear the run: it compares again. ",
    "Made ",
    instant(shown.made_at),
    ". ",
    runLink(shown, "Run and log"),
  ),
  el("section", {}, el("h2", {}, "What was compared"), equations(shown)),
  discrepancies(shown),
  el(
    "section",
    {},
    el("h2", {}, "Figures"),
    el("p", { class: "quiet" }, "As they were when the report was made. A link shows the requests as they are now."),
    figures(shown),
  ),
];

/**
 * @param {Element} page
 * @param {{ id?: string }} of a day as 2026-11-27; without one all days are listed
 */
export async function reconciliations(page, { id }) {
  const show = async () => {
    if (id) return draw(page, oneDay(await get(`reconciliations/${encodeURIComponent(id)}`), id));
    return draw(
      page,
      el("h1", {}, "Daily reconciliation"),
      el(
        "p",
        { class: "quiet" },
        "Each day is compared after it is over: requests, their ends, final events, and batches at Thunderhead.",
      ),
      days(await get("reconciliations")),
    );
  };
  await keepFresh(show, 30);
}
