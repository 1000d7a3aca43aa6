// @ts-check
// Ask before an action, and show its results. A <dialog>, because Airflow's frame does not allow confirm().
import { el, fill, note } from "./dom.js";
import { requestLink } from "./links.js";
import { table } from "./table.js";
import { instantsOf } from "./times.js";
import { number, plural } from "./words.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} [type] of the input; text where nothing is said
 * @property {any} [value]
 * @property {string[]} [options] a list to choose from: nothing else is taken
 * @property {string[]} [offered] texts that are offered; others are taken, too
 * @property {boolean} [required]
 * @property {string} [help]
 * @property {number} [lines] a text of several lines
 */

/** @param {Field} field */
function input(field) {
  const common = { id: `form-${field.name}`, name: field.name, required: field.required ?? false };
  if (field.lines) return el("textarea", { ...common, rows: field.lines, value: field.value ?? "", spellcheck: false });
  if (!field.options) {
    return el("input", {
      ...common,
      type: field.type ?? "text",
      value: field.value ?? "",
      autocomplete: "off",
      maxLength: field.type ? undefined : 4000,
      step: field.type === "number" ? "any" : undefined,
      list: field.offered ? `offered-${field.name}` : undefined,
      "aria-describedby": field.help ? `help-${field.name}` : undefined,
    });
  }
  const values = field.value && !field.options.includes(field.value) ? [field.value, ...field.options] : field.options;
  return el(
    "select",
    common,
    el("option", { value: "" }, "Choose …"),
    values.map((value) => el("option", { value, selected: value === field.value }, value)),
  );
}

/** @param {Field} field */
const labelled = (field) =>
  el(
    "div",
    { class: "field" },
    el("label", { for: `form-${field.name}` }, field.label),
    input(field),
    field.offered
      ? el(
          "datalist",
          { id: `offered-${field.name}` },
          field.offered.map((value) => el("option", { value })),
        )
      : null,
    field.help ? el("p", { class: "quiet small", id: `help-${field.name}` }, field.help) : null,
  );

export const REASON = { name: "reason", label: "Why? The next operator will want to know.", required: true };
export const UNTIL = {
  name: "until",
  label: "Until",
  type: "datetime-local",
  help: "Empty: until somebody ends it.",
};
/** @param {string} typed */
export const untilOf = (typed) => (typed ? instantsOf(typed)[0] : undefined);

/**
 * Ask, and act. The dialog stays open with all that was typed until `act` has succeeded; what it throws is told in it.
 * Without fields the focus is on the button that leaves everything as it is.
 * @param {object} asked
 * @param {string} asked.title
 * @param {any} [asked.content]
 * @param {Field[]} [asked.fields]
 * @param {string} asked.go the button that acts
 * @param {(values: Record<string, string>) => Promise<any>} asked.act
 * @param {(values: Record<string, string>) => any} [asked.tell] what the values will do, told before they are kept
 * @returns {Promise<any>} what `act` returned; null where nothing was done
 */
export function ask({ title, content, fields = [], go, act, tell }) {
  return new Promise((resolve) => {
    /** @type {any} */
    let result = null;
    const wrong = el("div");
    const told = el("div", { "aria-live": "polite" });
    const goButton = el("button", { class: "main", type: "submit" }, go);
    const leave = el(
      "button",
      { class: "plain", type: "button", autofocus: !fields.length, onclick: () => dialog.close() },
      "Cancel",
    );
    const form = el(
      "form",
      {},
      el("h2", { id: "dialog-title" }, title),
      content,
      fields.map(labelled),
      told,
      wrong,
      el("div", { class: "buttons" }, leave, goButton),
    );
    const values = () => /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
    form.oninput = () => fill(told, tell?.(values()));
    form.onsubmit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      goButton.disabled = true;
      fill(wrong);
      try {
        result = await act(values());
        dialog.close();
      } catch (error) {
        fill(wrong, note("bad", /** @type {Error} */ (error).message));
      } finally {
        goButton.disabled = false;
      }
    };
    const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
    show(dialog, () => resolve(result));
    fill(told, tell?.(values()));
  });
}

/**
 * @param {any} dialog
 * @param {() => void} closed
 */
function show(dialog, closed) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
    closed();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Tell something that is too long for a passing word, until it is closed.
 * @param {string} title
 * @param {...any} content
 * @returns {Promise<void>}
 */
export function tellAll(title, ...content) {
  const close = el(
    "button",
    { class: "main", type: "button", autofocus: true, onclick: () => dialog.close() },
    "Close",
  );
  const dialog = el(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    el("h2", { id: "dialog-title" }, title),
    el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": title }, content),
    el("div", { class: "buttons" }, close),
  );
  return new Promise((resolve) => show(dialog, resolve));
}

/**
 * The result for each request, until it is closed.
 * @param {any[]} results
 * @returns {Promise<void>}
 */
export function showResults(results) {
  const done = results.filter((row) => row.done).length;
  const columns = [
    { head: "Request", cell: (/** @type {any} */ row) => requestLink(row.request_id) },
    { head: "Result", cell: (/** @type {any} */ row) => el("span", { class: row.done ? "good" : "" }, row.result) },
  ];
  return tellAll(
    "Results",
    el("p", {}, `${plural(done, "request")} done, ${number(results.length - done)} left alone.`),
    table(columns, results.slice(0, 1000)),
    results.length > 1000
      ? el("p", { class: "quiet" }, `The first 1,000 of ${number(results.length)} are shown.`)
      : null,
  );
}
