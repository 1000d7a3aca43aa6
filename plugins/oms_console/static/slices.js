// The tab "Requests" of a task instance and of a DAG run: what is wrong, for whom, and what a clear will do.
import { get } from "./api.js";
import { el, empty, fill, note } from "./dom.js";
import { at } from "./links.js";
import { requestList } from "./list.js";
import { keepFresh, news } from "./refresh.js";
import { number, plural, whatRetriggerDoes } from "./words.js";

function clearing(shown, isRun) {
  const total = shown.clearing.reduce((sum, group) => sum + group.number, 0);
  const what = isRun ? "the failed task instances of this run" : "this task instance";
  if (!total) return note("good", el("strong", {}, "Nothing here needs a person. "), `Clearing ${what} would touch no request.`);
  return note("bad", el("strong", {}, `Clearing ${what} tries ${plural(total, "request")} again:`),
    el("ul", {}, shown.clearing.map((group) => el("li", {}, `${plural(group.number, "request")} that ended at ${group.stage}: ${whatRetriggerDoes(group.stage)}`))),
    `${shown.in_all > total ? `The other ${number(shown.in_all - total)} are not touched. ` : ""}Clearing twice does no harm.`);
}

export async function slices(page, { me }) {
  const params = new URLSearchParams(location.search);
  const isRun = !/^\d+$/.test(params.get("map_index") ?? "");
  const selected = new Set();
  const isNews = news();
  const show = async (isAsked) => {
    const shown = await get(`slices?${params}`);
    if (!isNews(shown) && !isAsked) return undefined;
    if (!shown.job) return fill(page, empty("No requests are driven here", "The tab shows the requests of document_processing and document_monitoring."));
    if (!shown.slices.length) return fill(page, empty("No slice is worked here", isRun
      ? "This run has claimed nothing. Where something was due, the claim's log says why."
      : "Open a mapped instance of process_slice or poll_slice, or the tab of the whole run."));
    const rest = shown.in_all - shown.requests.length;
    return fill(page,
      el("h1", {}, isRun ? `${plural(shown.slices.length, "slice")} of this run` : `Slice ${shown.slices[0].ordinal + 1}: ${shown.slices[0].label}`),
      clearing(shown, isRun),
      shown.requests.length ? requestList(shown.requests, { mayAct: me.may.act, selected, changed: () => show(true) })
        : empty("Nothing has ended here", "Later runs have taken over what this slice had in its hands, and go on with it; find the requests by ", el("a", { href: at("search") }, "search"), "."),
      rest > 0 ? el("p", { class: "quiet" }, `${number(rest)} more are not shown; those that need a person come first.`) : null);
  };
  await keepFresh(show, 5, () => selected.size > 0);
}
