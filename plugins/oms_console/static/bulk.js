// @ts-check
// Bulk operations: actions on all matching requests, their progress, and who may decide on them.
import { change, get } from "./api.js";
import { ask } from "./dialog.js";
import { draw, el, empty, note, plainButton } from "./dom.js";
import { at, requestLink } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { ACTIONS, number, plural } from "./words.js";

/** @type {Record<string, string>} */
const STATES = {
  WAITING: "waits for approval",
  RUNNING: "running",
  PAUSED: "paused",
  DONE: "done",
  STOPPED: "stopped",
  REJECTED: "rejected",
};
/** @type {Record<string, string>} the badge's colour */
const COLOURS = { WAITING: "queued", RUNNING: "processing", PAUSED: "queued", DONE: "completed" };

/** @param {any} row */
const state = (row) =>
  el("span", { class: `badge ${COLOURS[row.state] ?? "stopped"}` }, STATES[row.state] ?? row.state);

/** @param {any} row */
const what = (row) => `${ACTIONS[row.action]?.does ?? row.action} ${plural(row.counted, "request")}`;

/** @param {any} row */
const progress = (row) => [
  el("progress", {
    max: Math.max(Number(row.counted), 1),
    value: Number(row.worked),
    "aria-label": `Progress of operation ${row.operation_id}`,
  }),
  el(
    "div",
    { class: "small" },
    `${number(row.worked)} of ${number(row.counted)}`,
    Number(row.worked) > Number(row.done) ? `, ${number(Number(row.worked) - Number(row.done))} left alone` : "",
  ),
];

/** @param {any} row */
const who = (row) => [
  row.actor,
  el("div", { class: "quiet small" }, instant(row.created_at)),
  row.decided_by
    ? el(
        "div",
        { class: "quiet small" },
        `${row.state === "REJECTED" ? "rejected" : "approved"} by ${row.decided_by} `,
        instant(row.decided_at),
      )
    : null,
];

/**
 * What this user may do to an operation now.
 * @param {any} row
 * @param {any} me
 * @param {() => void} changed
 */
function buttons(row, me, changed) {
  if (!me.may.act) return null;
  const path = `bulk-operations/${row.operation_id}`;
  const isMine = row.actor === `airflow:${me.name}`;
  const button = (
    /** @type {string} */ text,
    /** @type {string} */ tells,
    /** @type {string} */ to,
    /** @type {any} */ body,
  ) =>
    plainButton(
      `${text} …`,
      async () => {
        const title = `${text} operation ${row.operation_id}?`;
        const act = () => change("POST", `${path}/${to}`, body);
        if (await ask({ title, content: el("p", {}, `${what(row)}. ${tells}`), go: text, act })) changed();
      },
      { "aria-label": `${text} operation ${row.operation_id}` },
    );
  const stop = button("Stop", "Requests that are already done do not change. The others are not touched.", "changes", {
    change: "stop",
  });
  /** @type {Record<string, any[]>} */
  const offered = {
    WAITING: isMine
      ? [stop]
      : [
          button("Approve", `${row.actor} asked for it.`, "decisions", { approve: true }),
          button("Reject", "No request is touched.", "decisions", { approve: false }),
        ],
    RUNNING: [button("Pause", "The present piece is finished first.", "changes", { change: "pause" }), stop],
    PAUSED: [button("Resume", "It continues where it was paused.", "changes", { change: "resume" }), stop],
  };
  return offered[row.state] ? el("div", { class: "buttons" }, offered[row.state]) : null;
}

/** @param {any} id */
const link = (id) => el("a", { href: at(`bulk/${id}`) }, `#${id}`);

/**
 * @param {Element} page
 * @param {{ me: any, id?: string }} of
 */
export async function bulk(page, { me, id }) {
  await (id ? oneOperation(page, me, id) : allOperations(page, me));
}

/**
 * @param {Element} page
 * @param {any} me
 */
async function allOperations(page, me) {
  const params = new URLSearchParams(location.search);
  const show = async () => {
    const shown = await get(`bulk-operations?${params}`);
    const columns = [
      { head: "Operation", cell: (/** @type {any} */ row) => link(row.operation_id) },
      {
        head: "What",
        cell: (/** @type {any} */ row) => [what(row), el("div", { class: "quiet small long" }, row.subject)],
      },
      { head: "State", cell: state },
      { head: "Progress", cell: progress },
      { head: "Asked by", cell: who },
      { head: "Why", kind: "wrap", cell: (/** @type {any} */ row) => row.reason },
      me.may.act && { head: "", cell: (/** @type {any} */ row) => buttons(row, me, show) },
    ];
    const waits = shown.items.filter((/** @type {any} */ row) => row.state === "WAITING").length;
    draw(
      page,
      el("h1", {}, "Bulk operations"),
      el(
        "p",
        { class: "quiet" },
        "Actions on all requests of a search, and runs of document_retrigger. ",
        `More than ${number(me.alone)} requests need the approval of a second person.`,
      ),
      waits
        ? note("warn", `${plural(waits, "operation")} ${waits === 1 ? "waits" : "wait"} for a second person.`)
        : null,
      shown.items.length
        ? table(columns, shown.items, { key: (row) => row.operation_id, label: "Bulk operations" })
        : empty(
            "No bulk operation yet",
            "Search for requests and choose what to do with ",
            el("em", {}, "all that match"),
            ".",
          ),
      el(
        "nav",
        { class: "pages", "aria-label": "Pages" },
        params.get("before") ? el("a", { class: "button plain", href: at("bulk") }, "Newest") : null,
        shown.before
          ? el("a", { class: "button plain", rel: "next", href: at("bulk", { before: shown.before }) }, "Older")
          : null,
      ),
    );
  };
  await keepFresh(show, 5);
}

/**
 * @param {Element} page
 * @param {any} me
 * @param {string} id
 */
async function oneOperation(page, me, id) {
  const params = new URLSearchParams(location.search);
  const show = async () => {
    const row = await get(`bulk-operations/${id}`);
    const answers = await get(`bulk-operations/${id}/answers?${params}`);
    const fact = (/** @type {string} */ name, /** @type {any} */ value) =>
      value ? [el("dt", {}, name), el("dd", {}, value)] : null;
    draw(
      page,
      el(
        "div",
        { class: "title" },
        el("h1", {}, `Operation ${row.operation_id} `, state(row)),
        buttons(row, me, show) ?? "",
      ),
      el(
        "dl",
        { class: "facts" },
        fact("What", what(row)),
        fact("Which", el("span", { class: "long" }, row.subject)),
        fact("Why", row.reason),
        fact("Asked by", who(row)),
        fact("Rate", `${plural(row.per_second, "request")} a second`),
        fact("Progress", progress(row)),
        fact("Last changed by", row.changed_by),
        fact("Ended", instant(row.ended_at)),
      ),
      el("h2", {}, "Answers"),
      row.answers.length
        ? [
            table(
              [
                { head: "Answer", cell: (/** @type {any} */ one) => one.answer },
                { head: "Requests", kind: "n", cell: (/** @type {any} */ one) => number(one.number) },
              ],
              row.answers,
              { label: "Answers by kind", key: (one) => `of-${one.answer}` },
            ),
            el(
              "div",
              { class: "bar" },
              el(
                "a",
                {
                  class: "button plain",
                  href: at(`api/bulk-operations/${id}/answers.csv`),
                  download: `oms-operation-${id}.csv`,
                },
                "Export all as CSV",
              ),
            ),
            table(
              [
                {
                  head: "Request",
                  cell: (/** @type {any} */ one) =>
                    one.answer === "not found" ? one.request : requestLink(one.request),
                },
                { head: "Answer", cell: (/** @type {any} */ one) => one.answer },
              ],
              answers.items,
              { label: "Answers", key: (one) => one.request },
            ),
          ]
        : empty("No request is done yet", "Each gets its answer here."),
      el(
        "nav",
        { class: "pages", "aria-label": "Pages" },
        params.get("after") ? el("a", { class: "button plain", href: at(`bulk/${id}`) }, "First") : null,
        answers.after
          ? el("a", { class: "button plain", rel: "next", href: at(`bulk/${id}`, { after: answers.after }) }, "More")
          : null,
      ),
    );
  };
  await keepFresh(show, 3);
}
