// @ts-check
// Runs: requests that belong together, with a control total; those that wait for their release.
import { change, get } from "./api.js";
import { REASON, ask } from "./dialog.js";
import { draw, el, empty, plainButton } from "./dom.js";
import { at } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { number, plural } from "./words.js";

/**
 * @param {any} run
 * @param {Record<string, any>} more conditions
 * @param {any} count
 */
const link = (run, more, count) =>
  Number(count) ? el("a", { href: at("search", { run_id: run.run_id, ...more }) }, number(count)) : number(0);

const isHeld = (/** @type {any} */ run) => run.hold_id !== null && !run.released_at;

/** @param {any} run what keeps it from completing, the first thing first */
function stateOf(run) {
  const open = Number(run.queued) + Number(run.processing);
  if (run.completed_at) return ["completed ", instant(run.completed_at)];
  if (isHeld(run)) return [run.proofs ? `${plural(run.proofs, "proof")}; the rest waits` : "waits", " for its release"];
  if (Number(run.missing)) return `${number(run.missing)} missing`;
  if (Number(run.surplus)) return `${number(run.surplus)} too many`;
  return run.closed_at ? `closed; ${plural(open, "request")} to end` : "all have come; its client closes it";
}

/** @param {any} run */
function progressOf(run) {
  const ended = Number(run.completed) + Number(run.failed) + Number(run.stopped);
  return [
    el("progress", {
      max: Number(run.expected),
      value: Math.min(ended, Number(run.expected)),
      "aria-label": `Ended requests of run ${run.run_id}`,
    }),
    el(
      "div",
      { class: "small" },
      `${number(ended)} ended, `,
      link(run, {}, run.received),
      ` received of ${number(run.expected)}`,
    ),
  ];
}

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function runs(page, { me }) {
  const params = new URLSearchParams(location.search);
  const isOpenOnly = params.get("open_only") === "true";
  const release = async (/** @type {any} */ run) => {
    const done = await ask({
      title: `Release run ${run.run_id}?`,
      content: el("p", {}, `${plural(run.queued, "queued request")} of ${run.name} may be claimed with the next run.`),
      go: "Release",
      fields: [REASON],
      act: ({ reason }) => change("DELETE", `holds/${run.hold_id}`, { reason }),
    });
    if (done) await show();
  };
  const columns = [
    {
      head: "Run",
      cell: (/** @type {any} */ run) => [
        el("strong", {}, String(run.run_id)),
        el("div", { class: "quiet small clip", title: run.name }, `${run.source_system} · ${run.name}`),
      ],
    },
    { head: "Progress", cell: progressOf },
    {
      head: "State",
      cell: (/** @type {any} */ run) => [
        stateOf(run),
        el("div", { class: "quiet small" }, run.late ? "late since " : "deadline ", instant(run.deadline)),
      ],
    },
    {
      head: "Open",
      kind: "n",
      cell: (/** @type {any} */ run) =>
        link(run, { status: ["QUEUED", "PROCESSING"] }, Number(run.queued) + Number(run.processing)),
    },
    {
      head: "Red",
      kind: "n",
      cell: (/** @type {any} */ run) => link(run, { status: ["FAILED", "STOPPED"], withdrawn: "false" }, run.red),
    },
    { head: "Withdrawn", kind: "n", cell: (/** @type {any} */ run) => link(run, { withdrawn: "true" }, run.withdrawn) },
    { head: "Oldest open", cell: (/** @type {any} */ run) => instant(run.oldest_open_at) },
    { head: "Opened", cell: (/** @type {any} */ run) => [run.opened_by, " ", instant(run.opened_at)] },
    me.may.act && {
      head: "",
      cell: (/** @type {any} */ run) => (isHeld(run) ? plainButton("Release …", () => release(run)) : ""),
    },
  ];
  const show = async () => {
    const { items, before } = await get(`runs?${params}`);
    draw(
      page,
      el(
        "div",
        { class: "title" },
        el("h1", {}, "Runs"),
        el(
          "a",
          { class: "button plain", href: at("runs", { open_only: !isOpenOnly }) },
          isOpenOnly ? "Show all" : "Show only those that have not completed",
        ),
      ),
      el(
        "p",
        { class: "quiet" },
        "A run is a number of requests that a client sends as one job, with a control total. ",
        "Airflow's DAG runs are something else.",
      ),
      items.length
        ? table(columns, items, { label: "Runs", key: (run) => run.run_id, kind: (run) => (run.late ? "red" : "") })
        : empty("No run", "A client opens a run with POST /v1/runs."),
      before
        ? el(
            "nav",
            { class: "pages", "aria-label": "Pages" },
            el(
              "a",
              { class: "button plain", rel: "next", href: at("runs", { open_only: isOpenOnly, before }) },
              "Older",
            ),
          )
        : null,
    );
  };
  await keepFresh(show, 10);
}
