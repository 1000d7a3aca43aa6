// @ts-check
// The audit trail: who did what, to what, and why.
import { get } from "./api.js";
import { changedNames, difference } from "./difference.js";
import { draw, el, empty, fill, note } from "./dom.js";
import { at, requestLink } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant, timeField } from "./times.js";
import { number } from "./words.js";

const TEXTS = [
  ["actor", "Who", "airflow:ada"],
  ["action", "Action", "retrigger"],
  ["request_id", "Request id", ""],
];

/** @param {any} row what was before and after, unfolded on demand */
function change(row) {
  if (!row.before && !row.after) return null;
  return el("details", {}, el("summary", {}, changedNames(row).join(", ") || "the same"), difference(row));
}

const COLUMNS = [
  { head: "When", cell: (/** @type {any} */ row) => instant(row.at) },
  { head: "Who", kind: "wrap", cell: (/** @type {any} */ row) => `${row.actor} (${row.door})` },
  { head: "Action", cell: (/** @type {any} */ row) => row.action.replaceAll("_", " ") },
  {
    head: "What",
    kind: "wrap",
    cell: (/** @type {any} */ row) =>
      row.request_id ? ["request ", requestLink(row.request_id), " ", row.subject ?? ""] : row.subject,
  },
  { head: "Number", kind: "n", cell: (/** @type {any} */ row) => (row.number === null ? null : number(row.number)) },
  { head: "Why", kind: "wrap", cell: (/** @type {any} */ row) => row.reason },
  { head: "Change", cell: change },
];

/** @param {any} event */
function submitted(event) {
  event.preventDefault();
  location.assign(at("actions", Object.fromEntries(new FormData(event.target))));
}

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function trail(page, { me }) {
  const params = new URLSearchParams(location.search);
  const filter = new URLSearchParams([...params].filter(([name, value]) => name !== "before" && value !== ""));
  if (!me.may.act) {
    fill(page, el("h1", {}, "Operator actions"), note("quiet", "Your Airflow role may not read the audit trail."));
    return;
  }
  const results = el("section", { "aria-label": "Actions" });
  const form = el(
    "form",
    { class: "search", role: "search", onsubmit: submitted },
    TEXTS.map(([name, label, example]) =>
      el(
        "div",
        { class: "field" },
        el("label", { for: name }, label),
        el("input", { id: name, name, value: params.get(name) ?? "", placeholder: example, autocomplete: "off" }),
      ),
    ),
    timeField("since", "From", params.get("since")),
    timeField("until", "Before", params.get("until")),
    el(
      "div",
      { class: "field go" },
      el("button", { class: "main", type: "submit" }, "Search"),
      el("a", { href: at("actions"), class: "button plain" }, "Reset"),
    ),
  );
  const download = { class: "button plain", href: `${at("api/actions.csv")}?${filter}`, download: "oms-actions.csv" };
  fill(
    page,
    el("h1", {}, "Operator actions"),
    el(
      "p",
      { class: "quiet" },
      "Everything that a person did, through the console, a form or Airflow's Clear. Nobody can change it.",
    ),
    form,
    el("div", { class: "bar" }, el("a", download, "Export as CSV")),
    results,
  );
  await keepFresh(async () => {
    const shown = await get(`actions?${params}`);
    const older = new URLSearchParams([...filter, ["before", shown.before]]);
    draw(
      results,
      shown.items.length
        ? table(COLUMNS, shown.items, { key: (row) => row.action_id, label: "Actions" })
        : empty("No action matches", "Leave out a condition."),
      el(
        "nav",
        { class: "pages", "aria-label": "Pages" },
        params.get("before") ? el("a", { class: "button plain", href: `${at("actions")}?${filter}` }, "Newest") : null,
        shown.before
          ? el("a", { class: "button plain", rel: "next", href: `${at("actions")}?${older}` }, "Older")
          : null,
      ),
    );
  }, 10);
}
