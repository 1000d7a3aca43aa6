// @ts-check
// Actions on requests: ask, act, show the results. An action on all matches is a bulk operation, with its own page.
import { change, get } from "./api.js";
import { REASON, ask, showResults } from "./dialog.js";
import { el, say } from "./dom.js";
import { at } from "./links.js";
import { table } from "./table.js";
import { duration } from "./times.js";
import { ACTIONS, isWithdrawn, number, plural, whatRetriggerDoes } from "./words.js";

/**
 * @param {any[]} groups
 * @param {boolean} isRetrigger
 */
const groupsTable = (groups, isRetrigger) =>
  table(
    [
      { head: "Requests", kind: "n", cell: (group) => number(group.number) },
      { head: isRetrigger ? "Ended" : "Status", cell: (group) => group.status },
      { head: "At", cell: (group) => group.stage },
      { head: "Last error", cell: (group) => group.category },
      isRetrigger && {
        head: "What happens",
        cell: (group) => (isWithdrawn(group) ? "left alone: it was withdrawn" : whatRetriggerDoes(group.stage)),
      },
    ],
    groups,
  );

/** @param {any[]} rows */
function groupsOf(rows) {
  /** @type {Record<string, any>} */
  const groups = {};
  for (const row of rows) {
    const key = `${row.status} ${row.stage} ${row.category}`;
    groups[key] ??= { ...row, number: 0 };
    groups[key].number += 1;
  }
  return Object.values(groups);
}

/**
 * Do it to all of a list's rows that allow it. One is done on a word; several need a reason; more than one person may
 * act on alone are a bulk operation.
 * @param {string} action
 * @param {any[]} rows
 */
async function forRows(action, rows) {
  const { does, path, tells, needsReason } = ACTIONS[action];
  const ids = rows.map((row) => row.request_id);
  if (ids.length > (await get("me")).alone) return asOperation(action, { request_ids: ids });
  const act = (/** @type {any} */ { reason }) =>
    change("POST", path, { request_ids: ids, reason: reason || undefined });
  const done = await ask({
    title: `${does} ${plural(ids.length, "request")}?`,
    content: [tells ? el("p", {}, tells) : null, action === "retrigger" ? groupsTable(groupsOf(rows), true) : null],
    go: does,
    act,
    fields: ids.length > 1 || needsReason ? [REASON] : [],
  });
  if (!done) return false;
  await showResults(done.results);
  return true;
}

/**
 * Do it to all that a filter chooses, or to these: counted first, and only if it is still as many.
 * @param {string} action
 * @param {any} meant a filter, or request ids
 */
export async function asOperation(action, meant) {
  const { does, tells, nothing } = ACTIONS[action];
  let counted;
  try {
    counted = await change("POST", "bulk-operations/counts", { action, ...meant });
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    return false;
  }
  if (!Number(counted.number)) {
    say(nothing);
    return false;
  }
  const rate = { name: "per_second", label: "Requests a second", type: "number", value: counted.per_second };
  const act = (/** @type {any} */ { reason, per_second }) =>
    change("POST", "bulk-operations", {
      action,
      ...meant,
      expected: counted.number,
      reason,
      per_second: Number(per_second) || undefined,
    });
  const made = await ask({
    title: `${does} ${plural(counted.number, "request")}?`,
    content: [
      tells ? el("p", {}, tells) : null,
      el("div", { class: "scroll" }, groupsTable(counted.groups, action === "retrigger")),
      counted.needs_approval
        ? el("p", { class: "note warn" }, "An operation on so many requests needs the approval of a second person.")
        : null,
    ],
    go: does,
    act,
    fields: [{ ...rate, required: true }, REASON],
    tell: ({ per_second }) =>
      Number(per_second) > 0
        ? el(
            "p",
            { class: "quiet" },
            `It takes about ${duration(Math.max(1, Number(counted.number) / Number(per_second)))}.`,
          )
        : null,
  });
  if (!made) return false;
  location.assign(at(`bulk/${made.operation_id}`));
  return true;
}

/** @param {any[]} rows */
export const retriggerRows = (rows) => forRows("retrigger", rows);
/** @param {any[]} rows */
export const retryNow = (rows) => forRows("retry_now", rows);
/** @param {any[]} rows */
export const cancel = (rows) => forRows("withdraw", rows);
/** @param {any[]} rows */
export const resolve = (rows) => forRows("resolve", rows);
/** @param {any[]} rows */
export const reopen = (rows) => forRows("reopen", rows);
/** @param {any[]} rows */
export const publishAgain = (rows) => forRows("publish_again", rows);
