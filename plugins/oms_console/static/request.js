// @ts-check
// One request: what happened to it, across intake, jobs, Thunderhead and operators.
import { get } from "./api.js";
import { cancel, publishAgain, reopen, resolve, retriggerRows, retryNow } from "./actions.js";
import { attempts, sideBySide } from "./attempts.js";
import { copyButton, draw, el, empty, fill, note, plainButton } from "./dom.js";
import { addressOf, at, instanceLink, isFramed, taskInstanceLink } from "./links.js";
import { personal } from "./looks.js";
import { withCode } from "./problem.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { dueIn, instant, withTimes } from "./times.js";
import { badge, isRed, isWithdrawn, number, whatRetriggerDoes } from "./words.js";

/**
 * @param {any} shown
 * @param {any} me
 * @param {() => void} changed
 */
function head(shown, me, changed) {
  const row = { ...shown, category: shown.errors.at(-1)?.category };
  const button = (/** @type {string} */ text, /** @type {any} */ can, /** @type {any} */ act) =>
    can && me.may.act
      ? plainButton(text, async () => {
          if (await act([row])) changed();
        })
      : null;
  const back =
    isFramed && history.length > 1
      ? el("button", { class: "back", type: "button", "aria-label": "Back", onclick: () => history.back() }, "←")
      : null;
  return el(
    "div",
    { class: "title" },
    el(
      "h1",
      {},
      back,
      `Request ${shown.request_id} `,
      badge(shown.status),
      " ",
      copyButton(addressOf(`requests/${shown.request_id}`), "the address of this page"),
    ),
    el(
      "div",
      { class: "buttons" },
      button("Retrigger …", isRed(shown) && !isWithdrawn(row), retriggerRows),
      button("Resolve …", isRed(shown) && !shown.resolved_at, resolve),
      button("Reopen …", shown.resolved_at, reopen),
      button("Retry now …", shown.due_at, retryNow),
      button("Withdraw …", shown.status === "QUEUED", cancel),
      button("Publish again …", shown.ended_at, publishAgain),
    ),
  );
}

/** @param {any} shown */
function why(shown) {
  const last = shown.errors.at(-1);
  if (!last || shown.status === "COMPLETED") return null;
  const help = shown.help[last.category];
  const again = isRed(shown) && !shown.resolved_at && !isWithdrawn({ ...shown, category: last.category });
  const next = again
    ? `A retrigger means ${whatRetriggerDoes(shown.stage)}.`
    : shown.due_at
      ? `It is tried again without your help: ${dueIn(shown.due_at)}.`
      : null;
  return note(
    again ? "bad" : "warn",
    el("strong", {}, help?.title ?? last.category),
    last.description ? el("p", { class: "long" }, last.description) : null,
    help
      ? el(
          "p",
          {},
          withCode(help.meaning),
          " ",
          el("em", {}, withCode(help.what_to_do)),
          " ",
          el("a", { href: at(`problems/${last.category}`) }, `About ${last.category}`),
        )
      : null,
    next ? el("p", {}, next) : null,
  );
}

/** @param {any} shown */
function facts(shown) {
  const fact = (/** @type {string} */ name, /** @type {any} */ value) =>
    value || value === 0 ? [el("dt", {}, name), el("dd", {}, value)] : null;
  const ids = [shown.request_correlation_id, " ", copyButton(shown.request_correlation_id, "the correlation id")];
  return el(
    "dl",
    { class: "facts" },
    fact("Correlation id", ids),
    fact("Source system", shown.source_system),
    fact("Document", `${shown.document_name} (${shown.document_type}, ${shown.document_language})`),
    fact("Stage", shown.stage),
    fact("Attempts", `${number(shown.attempts)}, ${number(shown.spent)} spent since the last retrigger`),
    fact("Priority", shown.priority),
    fact("Environment", shown.source_environment),
    fact("Handed in", instant(shown.created_at)),
    fact("By", shown.client_subject),
    fact("Not before", instant(shown.not_before)),
    fact("Ended", instant(shown.ended_at)),
    fact("Resolved", instant(shown.resolved_at)),
    fact("Ends so far", shown.revision),
  );
}

/** @param {any} entry what a timeline entry says beyond its name, in words; nothing of it is markup */
const detail = (entry) =>
  Object.entries(entry.detail ?? {})
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) =>
      el("span", { class: "pair" }, el("span", { class: "quiet" }, `${name.replaceAll("_", " ")} `), withTimes(value)),
    );

/** @param {any} shown */
function timeline(shown) {
  if (!shown.timeline.length)
    return empty("Nothing has happened to it yet", "The next run of document_processing claims it.");
  return el(
    "ol",
    { class: "timeline" },
    shown.timeline.map((/** @type {any} */ entry) =>
      el(
        "li",
        { class: `event ${entry.event.toLowerCase()}` },
        el(
          "div",
          {},
          el("strong", {}, entry.event.replaceAll("_", " ")),
          " ",
          el("span", { class: "quiet" }, "by ", entry.actor),
          " ",
          taskInstanceLink(entry, "task instance and log"),
        ),
        el("div", { class: "quiet small" }, instant(entry.at)),
        el("div", { class: "small long" }, detail(entry)),
      ),
    ),
  );
}

/** @param {any} shown */
function errors(shown) {
  if (!shown.errors.length) return empty("No error", "Nothing has gone wrong with it so far.");
  return table(
    [
      { head: "When", cell: (error) => instant(error.at) },
      { head: "Attempt", cell: (error) => error.attempt },
      { head: "Stage", cell: (error) => error.stage },
      { head: "Category", cell: (error) => el("a", { href: at(`problems/${error.category}`) }, error.category) },
      {
        head: "Text",
        cell: (error) => el("span", { class: "long" }, error.description ?? "shown on a look, above"),
      },
      { head: "In", cell: instanceLink },
    ],
    shown.errors,
  );
}

/** @param {any} event */
function publishing(event) {
  if (event.published_at) return instant(event.published_at);
  return event.set_aside_reason ? `set aside: ${event.set_aside_reason}` : "waits for Kafka";
}

/** @param {any} shown */
function events(shown) {
  if (!shown.events.length)
    return empty("No final event yet", "There is one for each end: COMPLETED, FAILED or STOPPED.");
  return table(
    [
      { head: "Revision", cell: (event) => event.revision },
      { head: "Event id", cell: (event) => event.event_id },
      { head: "Written", cell: (event) => instant(event.created_at) },
      { head: "Published", cell: publishing },
    ],
    shown.events,
  );
}

/**
 * @param {Element} page
 * @param {{ me: any, id: string }} of
 */
export async function request(page, { me, id }) {
  const parts = Object.fromEntries(
    ["head", "why", "facts", "data", "timeline", "attempts", "both", "errors", "events"].map((name) => [
      name,
      el("div"),
    ]),
  );
  const place = el("div");
  const section = (/** @type {string} */ title, /** @type {string} */ idOf, /** @type {any[]} */ ...content) =>
    el("section", { id: idOf }, el("h2", {}, title), content);
  const both = sideBySide(parts.both, me);
  let isFirst = true;
  const show = async () => {
    const shown = await get(`requests/${encodeURIComponent(id)}`);
    draw(parts.head, head(shown, me, show));
    draw(parts.why, why(shown));
    draw(parts.facts, facts(shown));
    draw(parts.data, personal(shown, me, show, place));
    draw(parts.timeline, timeline(shown));
    draw(parts.attempts, attempts(shown));
    both(shown);
    draw(parts.errors, errors(shown));
    draw(parts.events, events(shown));
    if (!isFirst) return;
    isFirst = false;
    fill(
      page,
      parts.head,
      parts.why,
      el(
        "div",
        { class: "columns" },
        el("div", {}, parts.facts, section("Payload, metadata, document", "data", parts.data, place)),
        section("Timeline", "timeline", parts.timeline),
      ),
      section("Attempts at Thunderhead", "batches", parts.attempts, parts.both),
      section("Errors", "errors", parts.errors),
      section("Final events", "events", parts.events),
    );
    if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
  };
  await keepFresh(show, 5);
}
