// Searching requests by whatever the operator has in hand.
import { get } from "./api.js";
import { retriggerFilter } from "./actions.js";
import { el, empty, fill, note } from "./dom.js";
import { at } from "./links.js";
import { requestList } from "./list.js";
import { keepFresh, news } from "./refresh.js";
import { CATEGORIES, STATUSES } from "./words.js";

const TEXTS = [["request_id", "Request id", "numeric"], ["correlation_id", "Correlation id"], ["batch_id", "Thunderhead batch", "numeric"],
  ["metadata", "Metadata KEY:VALUE"], ["document", "Document name or type"]];

function form(params, mayAct) {
  const field = (name, label, input) => el("div", { class: "field" }, el("label", { for: name }, label), input);
  const texts = TEXTS.filter(([name]) => name !== "metadata" || mayAct).map(([name, label, mode]) => field(name, label,
    el("input", { id: name, name, value: params.get(name) ?? "", inputMode: mode ?? "text", maxLength: 355, autocomplete: "off",
      placeholder: name === "metadata" ? "POLICY_ID:4711" : "" })));
  const choice = (name, label, values) => field(name, label, el("select", { id: name, name },
    el("option", { value: "" }, "Any"), values.map((value) => el("option", { value, selected: params.get(name) === value }, value))));
  const time = (name, label) => field(name, label, el("input", { id: name, name, type: "datetime-local", step: 1, value: local(params.get(name)) }));
  const choices = (label, boxes) => el("div", { class: "choices", role: "group", "aria-label": label }, el("span", { class: "quiet small" }, label), boxes);
  const box = (name, value, label) => el("label", {}, el("input", { type: "checkbox", name, value, checked: params.getAll(name).includes(value) }), ` ${label}`);
  return el("form", { class: "search", role: "search", onsubmit: submitted }, texts,
    choice("category", "Last error", CATEGORIES), time("created_from", "Created from"), time("created_to", "Created before"),
    choices("Status", STATUSES.map((status) => box("status", status, status))),
    choices("Only what is", [box("retrying", "true", "being retried"), box("withdrawn", "false", "not withdrawn")]),
    el("div", { class: "field go" }, el("button", { class: "main", type: "submit" }, "Search"), el("a", { href: at("search"), class: "button plain" }, "Reset")));
}

/** UTC in the address, the reader's own time in the form. */
function local(text) {
  if (!text) return "";
  const when = new Date(text);
  return new Date(when - when.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function submitted(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const said = Object.fromEntries([...form].map(([name, value]) => [name, name === "status" ? form.getAll(name) : value]));
  for (const name of ["created_from", "created_to"]) if (said[name]) said[name] = new Date(said[name]).toISOString();
  location.assign(at("search", said));
}

/** The filter as the API's bodies have it. */
function filterOf(params) {
  const filter = {};
  for (const [name, value] of params) {
    if (name === "before") continue;
    filter[name] = name === "status" ? [...(filter.status ?? []), value] : ["retrying", "withdrawn"].includes(name) ? value === "true" : ["request_id", "batch_id"].includes(name) ? Number(value) : value;
  }
  return filter;
}

export async function search(page, { me }) {
  const params = new URLSearchParams(location.search);
  const filter = new URLSearchParams(params);
  filter.delete("before");
  const results = el("section", { "aria-label": "Results", "aria-live": "polite" });
  const selected = new Set();
  fill(page, el("h1", {}, "Search"), form(params, me.may.act), results);
  const isNews = news();
  const show = async (isAsked) => {
    let found;
    try { found = await get(`requests?${params}`); } catch (error) { found = { error: error.message }; }
    if (!isNews(found) && !isAsked) return undefined;
    if (found.error) return fill(results, note("bad", found.error));
    if (!found.items.length) return fill(results, empty("No request is like that", filter.size ? "Leave something out, or look for the correlation id the client used." : "Nothing has been handed in yet. `make demo` hands in 200 requests."));
    return fill(results, el("div", { class: "bar" },
      me.may.act ? el("button", { class: "plain", onclick: async () => { if (await retriggerFilter(filterOf(filter), filter)) show(true); } }, "Retrigger all that match …") : null,
      el("a", { class: "button plain", href: `${at("api/requests.csv")}?${filter}`, download: "oms-requests.csv" }, "Export as CSV")),
    requestList(found.items, { mayAct: me.may.act, selected, changed: () => show(true) }),
    el("nav", { class: "pages", "aria-label": "Pages" },
      params.get("before") ? el("a", { class: "button plain", href: `${at("search")}?${filter}` }, "Newest") : null,
      found.before ? el("a", { class: "button plain", rel: "next", href: `${at("search")}?${new URLSearchParams([...filter, ["before", found.before]])}` }, "Older") : null));
  };
  await keepFresh(show, 10, () => selected.size > 0);
}
