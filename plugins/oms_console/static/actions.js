// @ts-check
// What operators do to requests: ask, act, tell.
import { change, get } from "./api.js";
import { REASON, ask, showResults } from "./dialog.js";
import { el, say } from "./dom.js";
import { table } from "./table.js";
import { isWithdrawn, number, plural, whatRetriggerDoes } from "./words.js";

/** @param {any[]} groups */
const groupsTable = (groups) =>
  table(
    [
      { head: "Requests", kind: "n", cell: (group) => number(group.number) },
      { head: "Ended", cell: (group) => group.status },
      { head: "At", cell: (group) => group.stage },
      { head: "Last error", cell: (group) => group.category },
      {
        head: "What happens",
        cell: (group) => (isWithdrawn(group) ? "left alone: it was withdrawn" : whatRetriggerDoes(group.stage)),
      },
    ],
    groups,
  );

/**
 * One is done on a word; several need a reason.
 * @param {string} title
 * @param {any} content
 * @param {string} go
 * @param {number} many
 * @param {string} path
 * @param {any} body
 */
async function confirmed(title, content, go, many, path, body) {
  const act = (/** @type {any} */ { reason }) => change("POST", path, { ...body, reason: reason || undefined });
  const done = await ask({ title, content, go, act, fields: many > 1 ? [REASON] : [] });
  if (!done) return false;
  await showResults(done.results);
  return true;
}

/** @param {any[]} rows */
const named = (rows) => ({ request_ids: rows.map((row) => row.request_id) });

/**
 * Retrigger these rows, all of a list that are red.
 * @param {any[]} rows
 */
export function retriggerRows(rows) {
  /** @type {Record<string, any>} */
  const groups = {};
  for (const row of rows) {
    const key = `${row.status} ${row.stage} ${row.category}`;
    groups[key] ??= { ...row, number: 0 };
    groups[key].number += 1;
  }
  const title = `Retrigger ${plural(rows.length, "request")}?`;
  return confirmed(title, groupsTable(Object.values(groups)), "Retrigger", rows.length, "retriggers", named(rows));
}

/**
 * Retrigger all red requests that a filter chooses: counted first, and only if it is still as many.
 * @param {any} filter
 * @param {URLSearchParams} query
 */
export async function retriggerFilter(filter, query) {
  let counted;
  try {
    counted = await get(`requests/count?${query}`);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    return false;
  }
  if (!counted.number) {
    say("Nothing to retrigger: none of these is FAILED or STOPPED, or all were withdrawn.");
    return false;
  }
  const title = `Retrigger ${counted.is_bound ? "more than " : ""}${plural(counted.number, "request")}?`;
  return confirmed(title, groupsTable(counted.groups), "Retrigger", counted.number, "retriggers", {
    filter,
    expected: counted.number,
  });
}

/** @param {any[]} rows */
export const retryNow = (rows) =>
  confirmed(
    `Make ${plural(rows.length, "request")} due now?`,
    el("p", {}, "They no longer wait for their back-off: the next run takes them. No attempt is given back."),
    "Retry now",
    rows.length,
    "retry-now",
    named(rows),
  );

/** @param {any[]} rows */
export const cancel = (rows) =>
  confirmed(
    `Withdraw ${plural(rows.length, "request")}?`,
    el("p", {}, "They end as STOPPED, with a final event to their client. What a job has taken up is left alone."),
    "Withdraw",
    rows.length,
    "cancellations",
    named(rows),
  );

/** @param {any[]} rows */
export const resolve = (rows) =>
  confirmed(
    `Resolve ${plural(rows.length, "request")}?`,
    el(
      "p",
      {},
      "They no longer need a person. Their status and their events stay; no document is made. You can reopen them.",
    ),
    "Resolve",
    2,
    "resolutions",
    named(rows),
  );

/** @param {any[]} rows */
export const reopen = (rows) =>
  confirmed(
    `Reopen ${plural(rows.length, "request")}?`,
    el("p", {}, "They need a person again."),
    "Reopen",
    2,
    "reopenings",
    named(rows),
  );

/**
 * Resolve all red requests that a filter chooses: counted first, and only if it is still as many.
 * @param {any} filter
 * @param {URLSearchParams} query
 */
export async function resolveFilter(filter, query) {
  const counted = await get(`requests/count?${query}`);
  if (!counted.number) {
    say("Nothing to resolve: none of these needs a person.");
    return false;
  }
  const title = `Resolve ${plural(counted.number, "request")}?`;
  const content = groupsTable(counted.groups);
  return confirmed(title, content, "Resolve", 2, "resolutions", { filter, expected: counted.number });
}
