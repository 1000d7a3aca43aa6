// @ts-check
// The dashboard: counts by state, red requests, and the state of the outside systems.
import { change, get } from "./api.js";
import { chart } from "./chart.js";
import { ask } from "./dialog.js";
import { draw, el, empty, fill, plainButton, say } from "./dom.js";
import { at } from "./links.js";
import { keepFresh, staleSince } from "./refresh.js";
import { table } from "./table.js";
import { age, clock, instant } from "./times.js";
import { SYSTEMS, number, plural } from "./words.js";

const RANGES = { "1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days" };

/**
 * @param {string} name
 * @param {any} value
 * @param {any} more
 * @param {string | undefined} href
 */
const tile = (name, value, more, href, kind = "") =>
  el(
    href ? "a" : "div",
    { class: `tile ${kind}`, href },
    el("span", { class: "tile-name" }, name),
    el("span", { class: "tile-value" }, value),
    el("span", { class: "quiet small" }, more || "\u00a0"),
  );

/** @param {any} shown */
function tiles({ stock, steps, step_seconds }) {
  const of = (/** @type {string} */ name, /** @type {string} */ state, /** @type {string} */ none, kind = "") =>
    tile(
      name,
      number(stock[state].number),
      stock[state].oldest_at ? `oldest ${age(stock[state].oldest_at)}` : none,
      state === "retrying" ? at("retrying") : at("search", { state }),
      Number(stock[state].number) ? kind : "",
    );
  const recent = steps.slice(-Math.max(2, 300 / step_seconds));
  const since = recent[0].from_at;
  const completed = recent.reduce((/** @type {number} */ sum, /** @type {any} */ it) => sum + Number(it.completed), 0);
  const minutes = Math.max(1, (Date.now() - Date.parse(since)) / 60000);
  return el(
    "div",
    { class: "tiles" },
    of("Need a person", "needs_person", "none", "bad"),
    of("Retrying", "retrying", "none", "warn"),
    of("Due", "due", "nothing is due"),
    Number(stock.held.number) ? of("Held", "held", "", "warn") : null,
    of("Waiting", "waiting", "for a back-off"),
    of("In hand", "in_hand", "held by slices"),
    of("At Thunderhead", "at_thunderhead", "being generated"),
    of("Not published", "unpublished", "all published"),
    Number(stock.set_aside.number) ? of("Set aside", "set_aside", "", "warn") : null,
    tile(
      "Throughput",
      number(Math.round((10 * completed) / minutes) / 10),
      `a minute: ${number(completed)} since ${clock(since, false)}`,
      at("search", { status: "COMPLETED", ended_from: since, order: "ended" }),
    ),
  );
}

/**
 * @param {string} system
 * @param {any} probe
 * @param {any} shared
 */
function healthRow(system, probe, shared) {
  const since = staleSince();
  const state = since
    ? ["unknown", "not known since ", instant(since)]
    : !probe.answers
      ? ["bad", `does not answer (${probe.why})`]
      : shared?.paused_at
        ? ["warn", `paused by ${shared.paused_by}: ${shared.paused_why ?? "no reason given"}`]
        : shared?.open_until
          ? [
              "bad",
              "breaker open until ",
              instant(shared.open_until),
              shared.last_error ? `: ${shared.last_error}` : "",
            ]
          : shared?.failures > 0
            ? ["warn", `on probation after ${plural(shared.failures, "outage")}`]
            : ["good", "answers"];
  return el(
    "li",
    { class: `health ${state[0]}` },
    el("span", { class: "dot", "aria-hidden": "true" }),
    el("strong", {}, SYSTEMS[system]),
    " ",
    el("span", { class: "long" }, state.slice(1)),
  );
}

/** @param {any} shown */
const healths = ({ health, systems }) =>
  Object.entries(health).map(([system, probe]) =>
    healthRow(
      system,
      probe,
      systems.find((/** @type {any} */ one) => one.system === system && one.document_type === "*"),
    ),
  );

/** @param {any[]} groups */
function red(groups) {
  if (!groups.length)
    return empty("Nothing needs a person", "Requests that end FAILED or STOPPED are listed here, by their error.");
  const link = (/** @type {any} */ { category, cause, status, stage }) =>
    el("a", { href: at("search", { category, cause, status, stage, state: "needs_person" }) }, category ?? "none kept");
  return table(
    [
      { head: "Last error", cell: link },
      { head: "Ended", cell: (group) => group.status },
      { head: "At", cell: (group) => group.stage },
      { head: "Oldest", cell: (group) => age(group.oldest_at) },
      { head: "Requests", kind: "n", cell: (group) => number(group.number) },
    ],
    groups,
  );
}

/**
 * Throughput and failure rate of each client and document in the time shown.
 * @param {any} shown
 */
function clients({ clients: rows, steps, step_seconds }) {
  if (!rows.length) return empty("Nothing has ended in this time", "Clients and their documents are listed here.");
  const minutes = (steps.length * step_seconds) / 60;
  const rate = (/** @type {any} */ row) => (100 * Number(row.failed)) / Number(row.number);
  /** The requests that the figure counts: those that ended since the first step. */
  const ended = (/** @type {any} */ { source_system, document_name }, /** @type {string[]} */ status = []) =>
    at("search", { source_system, document_name, status, ended_from: steps[0].from_at, order: "ended" });
  return table(
    [
      {
        head: "Client",
        kind: "wrap",
        cell: (row) => row.source_system,
      },
      { head: "Document", kind: "wrap", cell: (row) => row.document_name },
      { head: "Ended", kind: "n", cell: (row) => el("a", { href: ended(row) }, number(row.number)) },
      { head: "A minute", kind: "n", cell: (row) => number(Math.round((10 * Number(row.number)) / minutes) / 10) },
      {
        head: "Failed",
        kind: "n",
        cell: (row) =>
          Number(row.failed)
            ? el("a", { href: ended(row, ["FAILED"]) }, `${number(row.failed)} (${rate(row).toFixed(1)} %)`)
            : "0 (0.0 %)",
      },
    ],
    rows,
    { label: "Ends by client and document", key: (row) => `${row.source_system} ${row.document_name}` },
  );
}

/**
 * What each source system has used of its quotas; nothing where none has handed in anything yet.
 * @param {any[]} rows
 */
function quotas(rows) {
  if (!rows.length) return null;
  const share = (/** @type {any} */ used, /** @type {any} */ most, /** @type {string | null} */ href) =>
    el(
      "span",
      { class: Number(used) / Number(most) >= 0.8 ? "bad" : "" },
      href ? el("a", { href }, number(used)) : number(used),
      ` of ${number(most)}`,
    );
  const open = (/** @type {any} */ { source_system }) =>
    at("search", { source_system, status: ["QUEUED", "PROCESSING"] });
  const inTheHour = (/** @type {any} */ { source_system, hour }) =>
    hour && at("search", { source_system, created_from: hour });
  return [
    el(
      "div",
      { class: "title" },
      el("h2", {}, "Quotas of source systems"),
      el("a", { href: at("reference", { type: "SOURCE_SYSTEM_QUOTA" }) }, "Change a quota"),
    ),
    table(
      [
        { head: "Source system", kind: "wrap", cell: (row) => row.source_system },
        { head: "Open", kind: "n", cell: (row) => share(row.open_requests, row.most_open_requests, open(row)) },
        {
          head: "Requests this hour",
          kind: "n",
          cell: (row) => share(row.requests, row.most_requests_an_hour, inTheHour(row)),
        },
        { head: "Bytes this hour", kind: "n", cell: (row) => share(row.bytes, row.most_bytes_an_hour, inTheHour(row)) },
        { head: "Counted", cell: (row) => instant(row.counted_at) },
      ],
      rows,
      { label: "Quotas of source systems", key: (row) => `quota-${row.source_system}` },
    ),
  ];
}

/**
 * Topics that take no events, and events that are set aside. Nothing where all is well.
 * @param {any[]} groups
 * @param {any} me
 * @param {() => Promise<any>} again
 */
function outbox(groups, me, again) {
  const shown = groups.filter((group) => group.is_set_aside || group.reason);
  if (!shown.length) return null;
  const release = async (/** @type {any} */ { topic, reason, number: n }) => {
    const done = await ask({
      title: "Publish these events after all?",
      content: el(
        "p",
        {},
        `${plural(n, "event")}: ${reason}. They go out at once; an event that is refused is set aside again.`,
      ),
      go: "Publish",
      act: () => change("POST", "outbox/releases", { topic, reason }),
    });
    if (!done) return;
    say(`${plural(done.released, "event")} released.`);
    await again();
  };
  const next = (/** @type {any} */ group) => {
    if (!group.is_set_aside) return instant(group.next_try_at) ?? "now";
    if (!me.may.act) return "set aside";
    return plainButton("set aside; publish …", () => release(group));
  };
  const columns = [
    { head: "Topic", cell: (/** @type {any} */ group) => group.topic || "the default topic" },
    { head: "Reason", cell: (/** @type {any} */ group) => group.reason },
    { head: "Since", cell: (/** @type {any} */ group) => instant(group.since) },
    { head: "Next try", cell: next },
    { head: "Events", kind: "n", cell: (/** @type {any} */ group) => number(group.number) },
  ];
  return [el("h2", {}, "Events that cannot be published"), table(columns, shown)];
}

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function dashboard(page, { me }) {
  let over = new URLSearchParams(location.search).get("over") ?? "6h";
  if (!(over in RANGES)) over = "6h";
  const pick = el(
    "div",
    { class: "pick", role: "group", "aria-label": "Time shown" },
    Object.entries(RANGES).map(([key, text]) =>
      el(
        "a",
        { href: at("", { over: key }), class: "button plain", "aria-current": key === over ? "true" : undefined },
        text,
      ),
    ),
  );
  const parts = {
    tiles: el("div"),
    chart: el("div"),
    red: el("div"),
    outbox: el("section"),
    clients: el("div"),
    quotas: el("section"),
    health: el("ul", { class: "healths" }),
  };
  fill(
    page,
    el("h1", {}, "Output Management"),
    parts.tiles,
    el("section", {}, el("div", { class: "title" }, el("h2", {}, "Ends over time"), pick), parts.chart),
    el(
      "div",
      { class: "columns" },
      el("section", {}, el("h2", {}, "What needs a person"), parts.red),
      el(
        "section",
        {},
        el(
          "div",
          { class: "title" },
          el("h2", {}, "Outside systems"),
          el("a", { href: at("systems") }, "Pause or limit a system"),
        ),
        parts.health,
      ),
    ),
    parts.outbox,
    el("section", {}, el("h2", {}, "By client and document"), parts.clients),
    parts.quotas,
  );
  /** @type {any} */
  let shown = null;
  const view = () => {
    if (!shown) return;
    draw(parts.tiles, tiles(shown));
    draw(parts.chart, chart(shown.steps, shown.step_seconds));
    draw(parts.red, red(shown.red));
    draw(parts.outbox, outbox(shown.outbox, me, show));
    draw(parts.clients, clients(shown));
    draw(parts.quotas, quotas(shown.quotas));
    draw(parts.health, healths(shown));
  };
  const show = async () => {
    shown = await get(`dashboard?over=${over}`);
    view();
  };
  document.addEventListener("freshness", view);
  await keepFresh(show, 5);
}
