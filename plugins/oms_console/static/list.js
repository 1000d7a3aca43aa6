// @ts-check
// A list of requests: the same on task instances, runs and in the search; on a phone each row is a card.
import { cancel, publishAgain, reopen, resolve, retriggerRows, retryNow } from "./actions.js";
import { copyButton, el, plainButton } from "./dom.js";
import { at, instanceLink, requestLink } from "./links.js";
import { table } from "./table.js";
import { dueIn, instant } from "./times.js";
import { badge, isRed, number, plural } from "./words.js";

/** @param {any} row */
function errorOf(row) {
  if (!row.category) return null;
  return el(
    "details",
    { class: row.status === "COMPLETED" ? "error quiet" : "error" },
    el("summary", {}, el("strong", {}, row.category), " ", el("span", { class: "clip" }, row.description ?? "")),
    el(
      "p",
      { class: "long" },
      row.description ?? "The request's page has the text: it may quote what the client sent.",
    ),
  );
}

/** @param {any} row how often it was tried, and the newest batch */
function attemptsOf(row) {
  const batch = row.thunderhead_batch_id ?? row.batch_name;
  return [
    row.spent ? `${number(row.attempts)} (${row.spent} spent)` : number(row.attempts),
    batch
      ? el(
          "div",
          { class: "small" },
          el(
            "a",
            { href: `${at(`requests/${row.request_id}`)}#batches`, title: `Thunderhead batch ${row.batch_name}` },
            String(batch),
          ),
        )
      : null,
  ];
}

/** @param {any} row with the time of its present state, and the task instance that caused it */
function sinceOf(row) {
  const link = instanceLink(row);
  return [instant(row.ended_at ?? row.created_at), link ? el("div", { class: "small" }, link) : null];
}

/** @param {any} row */
const whose = (row) => [
  requestLink(row.request_id),
  copyButton(String(row.request_id), `request id ${row.request_id}`),
  el(
    "div",
    { class: "quiet small clip", title: row.request_correlation_id },
    `${row.source_system} · ${row.request_correlation_id}`,
  ),
];

/**
 * @param {any[]} rows
 * @param {{ mayAct: boolean, selected: Set<any>, redraw: () => void, changed: () => void, name?: string }} how
 * `selected`: ids, they live through refreshes; `redraw` shows another selection; `changed` is called after an action
 */
export function requestList(rows, { mayAct, selected, redraw, changed, name = "Requests" }) {
  const mine = rows.filter((row) => selected.has(row.request_id));
  const toggle = (/** @type {any[]} */ some, /** @type {boolean} */ isOn) => {
    for (const row of some) {
      if (isOn) selected.add(row.request_id);
      else selected.delete(row.request_id);
    }
    redraw();
  };
  const button = (/** @type {string} */ text, /** @type {any[]} */ some, /** @type {any} */ act) =>
    plainButton(
      `${text}${some.length ? ` (${number(some.length)})` : ""}`,
      async () => {
        if (!(await act(some))) return;
        selected.clear();
        changed();
      },
      { disabled: !some.length },
    );
  const bar = el(
    "div",
    { class: "bar", role: "toolbar", "aria-label": "Actions on the selected requests" },
    el(
      "span",
      { class: "quiet" },
      mine.length ? `${plural(mine.length, "request")} selected` : "Select requests to act on them",
    ),
    button("Retrigger", mine.filter(isRed), retriggerRows),
    button(
      "Resolve",
      mine.filter((row) => isRed(row) && !row.resolved_at),
      resolve,
    ),
    button(
      "Reopen",
      mine.filter((row) => row.resolved_at),
      reopen,
    ),
    button(
      "Retry now",
      mine.filter((row) => row.due_at),
      retryNow,
    ),
    button(
      "Withdraw",
      mine.filter((row) => row.status === "QUEUED"),
      cancel,
    ),
    button(
      "Publish again",
      mine.filter((row) => row.ended_at),
      publishAgain,
    ),
  );
  const check = (/** @type {any[]} */ some, /** @type {string} */ label) =>
    el("input", {
      type: "checkbox",
      "aria-label": label,
      checked: some.length > 0 && some.every((row) => selected.has(row.request_id)),
      onchange: (/** @type {any} */ event) => toggle(some, event.target.checked),
    });
  const columns = [
    mayAct && {
      head: "",
      kind: "box",
      control: check(rows, "Select all shown"),
      cell: (/** @type {any} */ row) => check([row], `Select request ${row.request_id}`),
    },
    { head: "Request", cell: whose },
    {
      head: "Status",
      cell: (/** @type {any} */ row) => [
        badge(row.status),
        el(
          "div",
          { class: "quiet small" },
          row.due_at ? dueIn(row.due_at) : row.resolved_at ? "resolved" : `at ${row.stage}`,
        ),
      ],
    },
    {
      head: "Document",
      kind: "wrap",
      cell: (/** @type {any} */ row) => [row.document_name, el("div", { class: "quiet small" }, row.document_type)],
    },
    { head: "Attempts", cell: attemptsOf },
    { head: "Error", cell: errorOf },
    { head: "Since", cell: sinceOf },
  ];
  return [
    mayAct ? bar : null,
    table(columns, rows, {
      key: (row) => row.request_id,
      label: name,
      kind: (row) => (isRed(row) && !row.resolved_at ? "red" : ""),
    }),
  ];
}
