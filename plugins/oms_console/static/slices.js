// @ts-check
// The tab "Requests" of a task instance and of a DAG run: what is wrong, for whom, and what a clear will do.
import { get } from "./api.js";
import { draw, el, empty, note } from "./dom.js";
import { at, instanceLink } from "./links.js";
import { requestList } from "./list.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { badge, number, plural, whatRetriggerDoes } from "./words.js";

/**
 * The requests that a clear drives: the same number as in the log of the cleared task instances.
 * @param {any} shown
 * @param {boolean} isRun
 */
function clearing(shown, isRun) {
  const what = isRun
    ? `Clearing the ${plural(shown.slices_to_clear, "red task instance")} of this run`
    : "Clearing this task instance";
  if (!shown.to_clear) {
    return note(
      "good",
      el("strong", {}, "A clear drives no request. "),
      shown.elsewhere
        ? "The requests that are red here ended in another run: see below."
        : "None of its requests needs a person.",
    );
  }
  return note(
    "bad",
    el("strong", {}, `${what} tries ${plural(shown.to_clear, "request")} again:`),
    el(
      "ul",
      {},
      shown.clearing.map((/** @type {any} */ group) =>
        el(
          "li",
          {},
          `${plural(group.number, "request")} that ended at ${group.stage}: ${whatRetriggerDoes(group.stage)}`,
        ),
      ),
    ),
    "No other request is touched. Clearing twice does no harm.",
  );
}

/** @param {any[]} sums */
const total = (sums) => sums.reduce((sum, it) => sum + Number(it.number), 0);

/**
 * The errors of the red requests, the most first: how many a clear drives, and how many ended elsewhere.
 * @param {any[]} sums
 */
function byError(sums) {
  const reds = sums.filter((it) => it.group !== "other");
  const groups = Map.groupBy(reds, (it) => `${it.category ?? "none kept"} ${it.status}`);
  return table(
    [
      { head: "Last error", cell: ([, of]) => of[0].category ?? "none kept" },
      { head: "Status", cell: ([, of]) => badge(of[0].status) },
      { head: "Requests", kind: "n", cell: ([, of]) => number(total(of)) },
      {
        head: "A clear drives",
        kind: "n",
        cell: ([, of]) => number(total(of.filter((/** @type {any} */ it) => it.group === "clear"))),
      },
    ],
    [...groups].sort(([, one], [, other]) => total(other) - total(one)),
    { label: "By error", key: ([name]) => `by-error-${name}` },
  );
}

/**
 * What became of the requests of each slice.
 * @param {any} shown
 */
function bySlice({ slices: rows, sums }) {
  const of = (/** @type {any} */ row, /** @type {string[]} */ statuses) =>
    number(total(sums.filter((/** @type {any} */ it) => it.slice_id === row.slice_id && statuses.includes(it.status))));
  return table(
    [
      { head: "Slice", cell: (row) => [`${Number(row.ordinal) + 1}: ${row.label} `, instanceLink(row)] },
      { head: "Completed", kind: "n", cell: (row) => of(row, ["COMPLETED"]) },
      { head: "Open", kind: "n", cell: (row) => of(row, ["QUEUED", "PROCESSING"]) },
      { head: "Failed", kind: "n", cell: (row) => of(row, ["FAILED"]) },
      { head: "Stopped", kind: "n", cell: (row) => of(row, ["STOPPED"]) },
    ],
    rows,
    { label: "By slice", key: (row) => `by-slice-${row.slice_id}` },
  );
}

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function slices(page, { me }) {
  const params = new URLSearchParams(location.search);
  const isRun = !/^\d+$/.test(params.get("map_index") ?? "");
  /** @type {Set<any>} */
  const selected = new Set();
  /** @type {any} */
  let shown = null;
  const show = async () => {
    shown = await get(`slices?${params}`);
    view();
  };
  const list = (/** @type {string} */ title, /** @type {any[]} */ rows, /** @type {number} */ all) =>
    !rows.length
      ? null
      : el(
          "section",
          {},
          el("h2", {}, `${title} (${number(all)})`),
          requestList(rows, { mayAct: me.may.act, selected, redraw: view, changed: show, name: title }),
          all > rows.length ? el("p", { class: "quiet" }, `${number(all - rows.length)} more are not shown.`) : null,
        );
  const of = (/** @type {string} */ group) => shown.requests.filter((/** @type {any} */ row) => row.group === group);
  const view = () => {
    if (!shown.job)
      return draw(
        page,
        empty(
          "This run has no requests",
          "The tab shows the requests of jobs that work slices. This run has claimed none.",
        ),
      );
    if (!shown.slices.length)
      return draw(
        page,
        empty(
          "No slice here",
          isRun
            ? "This run has claimed nothing. If something was due, the claim's log says why."
            : "Open a mapped instance of process_slice or poll_slice, or the tab of the whole run.",
        ),
      );
    const others = shown.in_all - shown.to_clear - shown.elsewhere;
    return draw(
      page,
      el(
        "h1",
        {},
        isRun
          ? `${plural(shown.slices.length, "slice")} of this run`
          : `Slice ${shown.slices[0].ordinal + 1}: ${shown.slices[0].label}`,
      ),
      clearing(shown, isRun),
      el(
        "div",
        { class: "columns" },
        shown.to_clear || shown.elsewhere ? el("section", {}, el("h2", {}, "By error"), byError(shown.sums)) : null,
        shown.slices.length > 1 ? el("section", {}, el("h2", {}, "By slice"), bySlice(shown)) : null,
      ),
      list("What a clear drives", of("clear"), shown.to_clear),
      list("Red, but ended elsewhere", of("elsewhere"), shown.elsewhere),
      list("All others", of("other"), others),
      shown.requests.length
        ? null
        : empty(
            "Nothing has ended here",
            "Later runs have taken over these requests. Find them by ",
            el("a", { href: at("search") }, "search"),
            ".",
          ),
    );
  };
  await keepFresh(show, 5);
}
