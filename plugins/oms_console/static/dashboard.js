// What stands where, what is wrong, and whether the systems around answer.
import { get, post } from "./api.js";
import { chart } from "./chart.js";
import { confirmed } from "./dialog.js";
import { el, empty, fill, note, say } from "./dom.js";
import { at } from "./links.js";
import { keepFresh, news } from "./refresh.js";
import { SYSTEMS, duration, instant, number, plural } from "./words.js";

const RANGES = { "1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days" };

const tile = (name, value, more, href, kind = "") => el(href ? "a" : "div", { class: `tile ${kind}`, href },
  el("span", { class: "tile-name" }, name), el("span", { class: "tile-value" }, value), el("span", { class: "quiet small" }, more || "\u00a0"));

function tiles({ stock, steps, step_seconds }) {
  const minutes = Math.max(1, 300 / step_seconds);
  const perMinute = steps.slice(-minutes).reduce((sum, step) => sum + Number(step.completed), 0) / ((minutes * step_seconds) / 60);
  return el("div", { class: "tiles" },
    tile("Need a person", number(stock.red), "FAILED or STOPPED", at("search", { status: ["FAILED", "STOPPED"], withdrawn: "false" }), Number(stock.red) ? "bad" : ""),
    tile("Retrying", number(stock.retrying), "failed before, not ended", at("retrying"), Number(stock.retrying) ? "warn" : ""),
    tile("Due", number(stock.due), stock.oldest_due_seconds === null ? "nothing waits" : `oldest ${duration(stock.oldest_due_seconds)}`, at("search", { status: "QUEUED" })),
    tile("Waiting", number(stock.waiting), "for a back-off", at("search", { status: "QUEUED" })),
    tile("In hand", number(stock.in_hand), "held by slices", at("search", { status: "PROCESSING" })),
    tile("At Thunderhead", number(stock.at_thunderhead), "being generated", at("search", { status: "PROCESSING" })),
    tile("Outbox", number(stock.outbox), [stock.oldest_event_seconds === null ? "all published" : `oldest ${duration(stock.oldest_event_seconds)}`, Number(stock.set_aside) ? `, ${number(stock.set_aside)} set aside` : ""], undefined, Number(stock.set_aside) ? "warn" : ""),
    tile("Throughput", number(Math.round(perMinute * 10) / 10), "completed a minute"));
}

function healthRow(system, probe, dial) {
  const state = !probe.answers ? ["bad", `does not answer (${probe.why})`] : dial?.paused_at ? ["warn", `paused by ${dial.paused_by}: ${dial.paused_why ?? "no reason given"}`]
    : dial?.open_until ? ["bad", "breaker open until ", instant(dial.open_until), dial.last_error ? `: ${dial.last_error}` : ""]
      : dial?.failures > 0 ? ["warn", `on probation after ${number(dial.failures)} outages`] : ["good", `answers in ${probe.milliseconds} ms`];
  return el("li", { class: `health ${state[0]}` }, el("span", { class: "dot", "aria-hidden": "true" }), el("strong", {}, SYSTEMS[system]), " ", el("span", { class: "long" }, state.slice(1)));
}

function red(groups) {
  if (!groups.length) return empty("Nothing needs a person", "Requests that end FAILED or STOPPED are listed here, by their error.");
  return el("table", { class: "cards" }, el("thead", {}, el("tr", {}, ["Last error", "Ended", "At", "Requests"].map((head) => el("th", { scope: "col", class: head === "Requests" ? "n" : "" }, head)))),
    el("tbody", {}, groups.map((group) => el("tr", {},
      el("td", { "data-label": "Last error" }, el("a", { href: at("search", { category: group.category, status: group.status, withdrawn: "false" }) }, group.category ?? "none kept")),
      el("td", { "data-label": "Ended" }, group.status), el("td", { "data-label": "At" }, group.stage), el("td", { "data-label": "Requests", class: "n" }, number(group.number))))));
}

/** Topics that take no events, and events that are set aside. Nothing where all is well. */
function outbox(groups, me, again) {
  const shown = groups.filter((group) => group.is_set_aside || group.reason);
  if (!shown.length) return null;
  const release = async ({ topic, reason, number: n }) => {
    const text = el("p", {}, `${plural(n, "event")}: ${reason}. They go out at once; what cannot be published is set aside again.`);
    if (!await confirmed("Publish these events after all?", text, "Publish")) return;
    try { say(`${plural((await post("outbox/releases", { topic, reason })).released, "event")} released.`); again(); } catch (error) { say(error.message); }
  };
  return [el("h2", {}, "Events that cannot be published"), el("table", { class: "cards" },
    el("thead", {}, el("tr", {}, ["Topic", "Reason", "Since", "Next try", "Events"].map((head) => el("th", { scope: "col", class: head === "Events" ? "n" : "" }, head)))),
    el("tbody", {}, shown.map((group) => el("tr", {},
      el("td", { "data-label": "Topic" }, group.topic || "the default topic"), el("td", { "data-label": "Reason" }, group.reason),
      el("td", { "data-label": "Since" }, instant(group.since)),
      el("td", { "data-label": "Next try" }, !group.is_set_aside ? instant(group.next_try_at) ?? "now"
        : me.may.act ? el("button", { class: "plain", onclick: () => release(group) }, "set aside; publish …") : "set aside"),
      el("td", { "data-label": "Events", class: "n" }, number(group.number))))))];
}

export async function dashboard(page, { me }) {
  let over = new URLSearchParams(location.search).get("over") ?? "6h";
  if (!(over in RANGES)) over = "6h";
  const pick = el("div", { class: "pick", role: "group", "aria-label": "Time shown" }, Object.entries(RANGES).map(([key, text]) =>
    el("a", { href: at("", { over: key }), class: "button plain", "aria-current": key === over ? "true" : undefined }, text)));
  const parts = { tiles: el("div"), chart: el("div"), red: el("div"), outbox: el("section"), health: el("ul", { class: "healths" }) };
  fill(page, el("h1", {}, "Output Management"), parts.tiles,
    el("section", {}, el("div", { class: "title" }, el("h2", {}, "Ends over time"), pick), parts.chart),
    el("div", { class: "columns" }, el("section", {}, el("h2", {}, "What needs a person"), parts.red),
      el("section", {}, el("div", { class: "title" }, el("h2", {}, "Systems around"), el("a", { href: at("dial") }, "Turn the dial")), parts.health)), parts.outbox);
  const showOutbox = async () => {
    const groups = await get("outbox");
    if (isOutboxNews(groups)) fill(parts.outbox, outbox(groups, me, showOutbox));
  };
  const showHealth = async () => {
    const [probes, dials] = await Promise.all([get("health"), get("systems").catch(() => [])]);
    fill(parts.health, Object.entries(probes).map(([system, probe]) => healthRow(system, probe, dials.find((dial) => dial.system === system && dial.document_type === "*"))));
  };
  const isNews = news();
  const isOutboxNews = news();
  const showCounts = async () => {
    const shown = await get(`dashboard?over=${over}`);
    fill(parts.tiles, tiles(shown));
    fill(parts.chart, chart(shown.steps, shown.step_seconds));
    if (isNews(shown.red)) fill(parts.red, red(shown.red));
  };
  await keepFresh(async () => {
    const [counts] = await Promise.allSettled([showCounts(), showHealth(), showOutbox()]);
    if (counts.status === "rejected") fill(parts.tiles, note("bad", counts.reason.message));
  }, 5);
}
