// A list of requests: the same on task instances, runs and in the search; on a phone each row is a card.
import { cancel, retriggerRows, retryNow } from "./actions.js";
import { el } from "./dom.js";
import { at, instanceLink, requestLink } from "./links.js";
import { badge, dueIn, instant, isRed, number, plural } from "./words.js";

const cell = (label, ...children) => el("td", { "data-label": label }, ...children);

function errorCell(row) {
  if (!row.category) return cell("Error", el("span", { class: "quiet" }, "–"));
  return cell("Error", el("details", { class: row.status === "COMPLETED" ? "error quiet" : "error" },
    el("summary", {}, el("strong", {}, row.category), " ", el("span", { class: "clip" }, row.description)),
    el("p", { class: "long" }, row.description)));
}

/** How often it was tried, and the newest batch. */
function attemptsCell(row) {
  const batch = row.thunderhead_batch_id ?? row.batch_name;
  return cell("Attempts", row.spent ? `${number(row.attempts)} (${row.spent} spent)` : number(row.attempts),
    batch ? el("div", { class: "small" }, el("a", { href: `${at(`requests/${row.request_id}`)}#batches`, title: `Thunderhead batch ${row.batch_name}` }, String(batch))) : null);
}

/** Since when it stands so, and the task instance that brought it there. */
function sinceCell(row) {
  const link = instanceLink(row);
  return cell("Since", instant(row.ended_at ?? row.created_at), link ? el("div", { class: "small" }, link) : null);
}

/** The list's element. `selected` is a set of ids that lives through refreshes; `changed` is called after an action. */
export function requestList(rows, { mayAct, selected, changed }) {
  const bar = el("div", { class: "bar", role: "toolbar", "aria-label": "Actions on the selected requests" });
  const boxes = [];
  const chosen = () => rows.filter((row) => selected.has(row.request_id));
  const offer = () => {
    const mine = chosen();
    const red = mine.filter(isRed);
    const waiting = mine.filter((row) => row.due_at);
    const queued = mine.filter((row) => row.status === "QUEUED");
    const button = (text, some, act) => el("button", { class: "plain", disabled: !some.length, onclick: async () => { if (await act(some)) { selected.clear(); changed(); } } }, `${text}${some.length ? ` (${number(some.length)})` : ""}`);
    bar.replaceChildren(el("span", { class: "quiet" }, mine.length ? `${plural(mine.length, "request")} selected` : "Select requests to act on them"),
      button("Retrigger", red, retriggerRows), button("Retry now", waiting, retryNow), button("Withdraw", queued, cancel));
  };
  const toggle = (row, isOn) => { if (isOn) selected.add(row.request_id); else selected.delete(row.request_id); };
  const all = el("input", { type: "checkbox", "aria-label": "Select all shown", onchange: () => {
    for (const row of rows) toggle(row, all.checked);
    boxes.forEach((box) => { box.checked = all.checked; });
    offer();
  } });
  const body = rows.map((row) => {
    const box = el("input", { type: "checkbox", checked: selected.has(row.request_id), "aria-label": `Select request ${row.request_id}`,
      onchange: () => { toggle(row, box.checked); offer(); } });
    boxes.push(box);
    return el("tr", { class: isRed(row) ? "red" : "" },
      mayAct ? el("td", { class: "box" }, box) : null,
      cell("Request", requestLink(row.request_id), el("div", { class: "quiet small clip", title: row.request_correlation_id }, `${row.source_system} · ${row.request_correlation_id}`)),
      cell("Status", badge(row.status), el("div", { class: "quiet small" }, row.due_at ? dueIn(row.due_at) : `at ${row.stage}`)),
      cell("Document", row.document_name, el("div", { class: "quiet small" }, row.document_type)),
      attemptsCell(row), errorCell(row), sinceCell(row));
  });
  const heads = ["Request", "Status", "Document", "Attempts", "Error", "Since"];
  if (mayAct) offer();
  return el("div", {}, mayAct ? bar : null, el("table", { class: "cards" },
    el("thead", {}, el("tr", {}, mayAct ? el("th", { class: "box" }, all) : null, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, body)));
}
