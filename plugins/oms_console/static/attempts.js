// @ts-check
// The attempts of a request at Thunderhead, and two of them side by side.
import { copyButton, draw, el, empty, fill, plainButton, say } from "./dom.js";
import { instanceLink } from "./links.js";
import { lookAt, showPdfs } from "./looks.js";
import { table } from "./table.js";
import { instant } from "./times.js";

/** @param {any} batch its document id, or what its request waits for */
const documentOf = (batch) =>
  batch.document_id_missing_since
    ? [
        "waits for the document id: Thunderhead says COMPLETED without one since ",
        instant(batch.document_id_missing_since),
      ]
    : batch.dms_document_id;

/** @type {[string, (batch: any) => any][]} what is told of an attempt */
const FACTS = [
  ["Batch name", (batch) => [batch.batch_name, copyButton(batch.batch_name, "the batch name")]],
  ["Thunderhead's id", (batch) => batch.thunderhead_batch_id],
  ["Status", (batch) => batch.status],
  ["Config", (batch) => batch.batch_config_id],
  ["Submitted", (batch) => instant(batch.submitted_at)],
  ["Ended", (batch) => instant(batch.ended_at)],
  ["Document", documentOf],
  ["Last held by", instanceLink],
];

/** @param {any} shown */
export function attempts(shown) {
  if (!shown.batches.length)
    return empty("Nothing has been sent to Thunderhead", "A batch appears here with the first submission.");
  return table(
    [{ head: "Attempt", cell: (batch) => batch.attempt }, ...FACTS.map(([head, cell]) => ({ head, cell }))],
    shown.batches,
  );
}

/**
 * The lines of an XML document: a tag a line, where it is written in one.
 * @param {string} xml
 */
export const linesOf = (xml) => xml.replaceAll("><", ">\n<").split("\n");

/**
 * Each line of one text; those that the other does not have are marked.
 * @param {string[]} mine
 * @param {string[]} others
 */
function marked(mine, others) {
  const known = new Set(others);
  return mine.map((line) => (known.has(line) ? `${line}\n` : [el("mark", {}, line), "\n"]));
}

/**
 * Two attempts side by side: what is told of them, their errors, and on a look their XML and documents.
 * @param {Element} place
 * @param {any} me
 * @returns {(shown: any) => void} draws a request; nothing where it has one attempt
 */
export function sideBySide(place, me) {
  const looked = el("div");
  const compared = el("div");
  /** @type {number[]} */
  let chosen = [];
  /** @type {any} */
  let shown = null;
  const batch = (/** @type {number} */ attempt) =>
    shown.batches.find((/** @type {any} */ one) => one.attempt === attempt) ?? {};
  const choice = (/** @type {number} */ n) =>
    el(
      "select",
      {
        "aria-label": n ? "The attempt on the right" : "The attempt on the left",
        onchange: (/** @type {any} */ event) => {
          chosen = chosen.map((one, other) => (other === n ? Number(event.target.value) : one));
          fill(looked);
          view();
        },
      },
      shown.batches.map((/** @type {any} */ { attempt }) =>
        el("option", { value: attempt, selected: attempt === chosen[n] }, `Attempt ${attempt}`),
      ),
    );
  const errors = (/** @type {number} */ attempt) =>
    shown.errors
      .filter((/** @type {any} */ error) => error.attempt === attempt)
      .map((/** @type {any} */ { category, stage, description }) =>
        el("p", { class: "long" }, `${category} at ${stage}${description ? `: ${description}` : ""}`),
      );
  const look = async (/** @type {string} */ what, /** @type {(answers: Response[]) => Promise<any>} */ show) => {
    try {
      const [left, right] = chosen;
      const answers = [await lookAt(shown.request_id, what, left), await lookAt(shown.request_id, what, right)];
      await show(answers);
    } catch (error) {
      say(/** @type {Error} */ (error).message);
    }
  };
  const xml = async (/** @type {Response[]} */ answers) => {
    const [left, right] = await Promise.all(answers.map(async (answer) => linesOf(await answer.text())));
    const text = (/** @type {number} */ n, /** @type {any} */ lines) =>
      el("pre", { tabIndex: 0, role: "region", "aria-label": `XML of attempt ${chosen[n]}` }, lines);
    fill(looked, el("div", { class: "columns" }, text(0, marked(left, right)), text(1, marked(right, left))));
  };
  const pdf = async (/** @type {Response[]} */ answers) => {
    const blobs = await Promise.all(answers.map((answer) => answer.blob()));
    showPdfs(
      looked,
      blobs.map((blob, n) => ({ blob, title: `Document of attempt ${chosen[n]}` })),
    );
  };
  const view = () => {
    const both = chosen.map(batch);
    const rows = [
      ...FACTS.map(([name, of]) => [name, ...both.map(of)]),
      ["Errors", ...chosen.map((attempt) => (errors(attempt).length ? errors(attempt) : "none"))],
    ];
    draw(
      compared,
      el("h3", {}, "Two attempts side by side"),
      table(
        [
          { head: "", control: el("span", {}, "What"), cell: ([name]) => name },
          { head: `Attempt ${chosen[0]}`, control: choice(0), cell: ([, left]) => left },
          { head: `Attempt ${chosen[1]}`, control: choice(1), cell: ([, , right]) => right },
        ],
        rows,
        { label: "Two attempts side by side" },
      ),
      me.may.act
        ? el(
            "div",
            { class: "bar" },
            plainButton("Show both XMLs", () => look("xml", xml)),
            plainButton("Show both PDFs", () => look("pdf", pdf), {
              disabled: !both.every((one) => one.dms_document_id),
            }),
          )
        : null,
    );
  };
  return (now) => {
    shown = now;
    if (shown.batches.length < 2) return;
    if (!chosen.length) {
      chosen = shown.batches.slice(-2).map((/** @type {any} */ one) => one.attempt);
      fill(place, compared, looked);
    }
    view();
  };
}
