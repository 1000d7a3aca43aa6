// One request: what happened to it, across intake, jobs, Thunderhead and operators.
import { get, send } from "./api.js";
import { cancel, retriggerRows, retryNow } from "./actions.js";
import { el, empty, fill, note, say } from "./dom.js";
import { instanceLink, isFramed, taskInstanceLink } from "./links.js";
import { keepFresh, news } from "./refresh.js";
import { badge, dueIn, instant, isRed, isWithdrawn, number, whatRetriggerDoes } from "./words.js";

const EXTENSIONS = { json: "json", xml: "xml", pdf: "pdf", metadata: "metadata.json" };

function head(shown, me, changed) {
  const row = { ...shown, category: shown.errors.at(-1)?.category };
  const button = (text, can, act) => (can && me.may.act ? el("button", { class: "plain", onclick: async () => { if (await act([row])) changed(); } }, text) : null);
  return el("div", { class: "title" },
    el("h1", {}, isFramed && history.length > 1 ? el("button", { class: "back", "aria-label": "Back", onclick: () => history.back() }, "←") : null, `Request ${shown.request_id} `, badge(shown.status)),
    el("div", { class: "buttons" }, button("Retrigger", isRed(shown) && !isWithdrawn(row), retriggerRows), button("Retry now", shown.due_at, retryNow),
      button("Withdraw", shown.status === "QUEUED", cancel)));
}

/** What stands between backticks is code. */
const withCode = (text) => text.split("`").map((part, n) => (n % 2 ? el("code", {}, part) : part));

/** The problem's page at the intake. Airflow's frame opens no other window: there it is an address to copy. */
const pageOf = (help) => (isFramed || !help.page.startsWith("http") ? el("code", {}, help.page) : el("a", { href: help.page, target: "_blank", rel: "noreferrer" }, help.page));

function why(shown) {
  const last = shown.errors.at(-1);
  if (!last || shown.status === "COMPLETED") return null;
  const help = shown.help[last.category];
  const again = isRed(shown) && !isWithdrawn({ ...shown, category: last.category });
  return note(again ? "bad" : "warn", el("strong", {}, help?.title ?? last.category), el("p", { class: "long" }, last.description),
    help ? el("p", {}, withCode(help.meaning), " ", el("em", {}, withCode(help.what_to_do)), " ", pageOf(help)) : null,
    again ? el("p", {}, `A retrigger means ${whatRetriggerDoes(shown.stage)}.`) : shown.due_at ? el("p", {}, `It is tried again by itself: ${dueIn(shown.due_at)}.`) : null);
}

function facts(shown) {
  const fact = (name, value) => (value || value === 0 ? [el("dt", {}, name), el("dd", {}, value)] : null);
  return el("dl", { class: "facts" }, fact("Correlation id", shown.request_correlation_id), fact("Source system", shown.source_system),
    fact("Document", `${shown.document_name} (${shown.document_type}, ${shown.document_language})`), fact("Stage", shown.stage),
    fact("Attempts", `${number(shown.attempts)}, ${number(shown.spent)} spent since the last retrigger`), fact("Priority", shown.priority),
    fact("Environment", shown.source_environment), fact("Handed in", instant(shown.created_at)), fact("By", shown.client_subject),
    fact("Not before", instant(shown.not_before)), fact("Ended", instant(shown.ended_at)), fact("Ends so far", shown.revision));
}

/** What a timeline entry says beyond its name, in words; nothing of it is markup. */
const detail = (entry) => Object.entries(entry.detail ?? {}).filter(([, value]) => value !== null && value !== "")
  .map(([name, value]) => el("span", { class: "pair" }, el("span", { class: "quiet" }, `${name.replaceAll("_", " ")} `), String(typeof value === "object" ? JSON.stringify(value) : value)));

function timeline(shown) {
  if (!shown.timeline.length) return empty("Nothing has happened to it yet", "The next run of document_processing takes it up.");
  return el("ol", { class: "timeline" }, shown.timeline.map((entry) => el("li", { class: `event ${entry.event.toLowerCase()}` },
    el("div", {}, el("strong", {}, entry.event.replaceAll("_", " ")), " ", el("span", { class: "quiet" }, "by ", entry.actor), " ", taskInstanceLink(entry, "task instance and log")),
    el("div", { class: "quiet small" }, instant(entry.at)), el("div", { class: "small long" }, detail(entry)))));
}

const table = (heads, rows) => el("table", { class: "cards" }, el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
  el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((value, n) => el("td", { "data-label": heads[n] }, value ?? "–"))))));

function attempts(shown) {
  if (!shown.batches.length) return empty("Nothing has been sent to Thunderhead", "A batch appears here with the first submission.");
  return table(["Attempt", "Batch name", "Thunderhead's id", "Status", "Config", "Submitted", "Ended", "Document", "Last held by"], shown.batches.map((batch) =>
    [batch.attempt, batch.batch_name, batch.thunderhead_batch_id, batch.status, batch.batch_config_id, instant(batch.submitted_at), instant(batch.ended_at), batch.dms_document_id, instanceLink(batch)]));
}

function errors(shown) {
  if (!shown.errors.length) return empty("No error", "Nothing has gone wrong with it so far.");
  return table(["When", "Attempt", "Stage", "Category", "Text", "In"], shown.errors.map((error) =>
    [instant(error.at), error.attempt, error.stage, error.category, el("span", { class: "long" }, error.description), instanceLink(error)]));
}

function events(shown) {
  if (!shown.events.length) return empty("No final event yet", "There is one for each end: COMPLETED, FAILED or STOPPED.");
  return table(["Revision", "Event id", "Written", "Published"], shown.events.map((event) => [event.revision, event.event_id, instant(event.created_at),
    event.published_at ? instant(event.published_at) : event.set_aside_reason ? `set aside: ${event.set_aside_reason}` : "waits for Kafka"]));
}

function personal(shown, me, changed) {
  if (!me.may.act) return note("quiet", "Payload, metadata and document are personal data. Your Airflow role may not see them.");
  const place = el("div");
  const look = async (what, isSaved) => {
    try {
      const answer = await send("POST", `requests/${shown.request_id}/looks`, { what });
      if (isSaved) save(await answer.blob(), `request-${shown.request_id}.${EXTENSIONS[what]}`);
      else fill(place, el("pre", { tabIndex: 0, "aria-label": what }, pretty(await answer.text(), what)));
      changed();
    } catch (error) { say(error.message); }
  };
  const button = (text, what, isSaved, can = true) => el("button", { class: "plain", disabled: !can, onclick: () => look(what, isSaved) }, text);
  const hasBatch = shown.batches.length > 0;
  return el("div", {}, el("p", { class: "quiet" }, "Personal data. Each look is an entry in the timeline, with your name.",
    shown.metadata_keys.length ? ` Metadata: ${shown.metadata_keys.join(", ")}.` : ""),
  el("div", { class: "bar" }, button("Show metadata", "metadata", false, shown.metadata_keys.length > 0), button("Show JSON", "json", false, shown.has_content),
    button("Show XML", "xml", false, hasBatch), button("Download JSON", "json", true, shown.has_content), button("Download XML", "xml", true, hasBatch),
    button("Download PDF", "pdf", true, shown.batches.some((batch) => batch.dms_document_id))), place);
}

function pretty(text, what) {
  if (what !== "metadata") return text;
  return Object.entries(JSON.parse(text)).map(([key, value]) => `${key}: ${value}`).join("\n");
}

function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export async function request(page, { me, id }) {
  const parts = Object.fromEntries(["head", "why", "facts", "timeline", "attempts", "errors", "events"].map((name) => [name, el("div")]));
  const data = el("div");
  const section = (title, idOf, content) => el("section", { id: idOf }, el("h2", {}, title), content);
  let isFirst = true;
  const isNews = news();
  const show = async () => {
    const shown = await get(`requests/${encodeURIComponent(id)}`);
    if (!isNews(shown)) return;
    document.title = `Request ${shown.request_id}`;
    fill(parts.head, head(shown, me, show));
    fill(parts.why, why(shown));
    fill(parts.facts, facts(shown));
    fill(parts.timeline, timeline(shown));
    fill(parts.attempts, attempts(shown));
    fill(parts.errors, errors(shown));
    fill(parts.events, events(shown));
    if (!isFirst) return;
    isFirst = false;
    fill(data, personal(shown, me, show));
    fill(page, parts.head, parts.why, el("div", { class: "columns" }, el("div", {}, parts.facts, section("Payload, metadata, document", "data", data)), section("Timeline", "timeline", parts.timeline)),
      section("Attempts at Thunderhead", "batches", parts.attempts), section("Errors", "errors", parts.errors), section("Final events", "events", parts.events));
    if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
  };
  await keepFresh(show, 5);
}
