// What operators do to requests: ask, act, tell.
import { get, post } from "./api.js";
import { confirmed, showResults } from "./dialog.js";
import { el, note, say } from "./dom.js";
import { isWithdrawn, number, plural, whatRetriggerDoes } from "./words.js";

const groupsTable = (groups) => el("table", {},
  el("thead", {}, el("tr", {}, ["Requests", "Ended", "At", "Last error", "What happens"].map((head) => el("th", {}, head)))),
  el("tbody", {}, groups.map((group) => el("tr", {}, el("td", { class: "n" }, number(group.number)), el("td", {}, group.status),
    el("td", {}, group.stage), el("td", {}, group.category ?? "–"), el("td", {}, isWithdrawn(group) ? "left alone: it was withdrawn" : whatRetriggerDoes(group.stage))))));

async function run(path, body) {
  try {
    const { results } = await post(path, body);
    await showResults(results);
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
}

/** Retrigger these rows, all of a list that are red. */
export async function retriggerRows(rows) {
  const groups = Object.values(rows.reduce((all, row) => {
    const key = `${row.status} ${row.stage} ${row.category}`;
    all[key] ??= { ...row, number: 0 };
    all[key].number += 1;
    return all;
  }, {}));
  const text = `Try ${plural(rows.length, "request")} again?`;
  return (await confirmed(text, groupsTable(groups), "Retrigger")) && run("retriggers", { request_ids: rows.map((row) => row.request_id) });
}

/** Retrigger all red requests that a filter chooses: counted first, and only if it is still as many. */
export async function retriggerFilter(filter, query) {
  let counted;
  try { counted = await get(`requests/count?${query}`); } catch (error) { say(error.message); return false; }
  if (!counted.number) { say("None of these stands at FAILED or STOPPED without having been withdrawn: there is nothing to retrigger."); return false; }
  const content = el("div", {}, groupsTable(counted.groups),
    counted.is_bound ? note("warn", `There are more than ${number(counted.number)}: narrow the search. At most so many are retriggered at once.`) : null);
  if (!(await confirmed(`Try ${plural(counted.number, "request")} again?`, content, "Retrigger"))) return false;
  return run("retriggers", { filter, expected: counted.number });
}

export async function retryNow(rows) {
  const text = el("p", {}, "They no longer wait for their back-off: the next run takes them. No attempt is given back.");
  return (await confirmed(`Make ${plural(rows.length, "request")} due now?`, text, "Retry now")) && run("retry-now", { request_ids: rows.map((row) => row.request_id) });
}

export async function cancel(rows) {
  const text = el("p", {}, "They end as STOPPED, with a final event to their client. What a job has taken up is left alone.");
  return (await confirmed(`Withdraw ${plural(rows.length, "request")}?`, text, "Withdraw")) && run("cancellations", { request_ids: rows.map((row) => row.request_id) });
}
