// @ts-check
// Times as Airflow's UI shows them: one zone for all that is shown and all that is typed.
import { el } from "./dom.js";

/** The zone that is set in Airflow's own UI; without one, as there, the browser's. */
export function zone() {
  let said;
  try {
    said = localStorage.getItem("timezone") ?? "";
  } catch {
    said = "";
  }
  try {
    said = JSON.parse(said);
  } catch {
    /* it stands there without quotes */
  }
  try {
    return new Intl.DateTimeFormat("en", { timeZone: said || undefined }).resolvedOptions().timeZone;
  } catch {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
}

const PARTS = {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};

/**
 * "2026-11-27 23:45:01" in a zone.
 * @param {Date} when
 * @param {string} timeZone
 */
const wall = (when, timeZone) =>
  new Intl.DateTimeFormat("sv-SE", /** @type {any} */ ({ ...PARTS, timeZone })).format(when);

/**
 * How far a zone is from UTC at an instant, in milliseconds.
 * @param {Date} when
 * @param {string} timeZone
 */
const offset = (when, timeZone) =>
  Date.parse(`${wall(when, timeZone).replace(" ", "T")}Z`) - Math.floor(when.getTime() / 1000) * 1000;

/**
 * The offset as ISO 8601 has it: "+01:00".
 * @param {Date} when
 * @param {string} timeZone
 */
export function offsetText(when, timeZone) {
  const minutes = Math.round(offset(when, timeZone) / 60000);
  const two = (/** @type {number} */ n) => String(Math.floor(Math.abs(n))).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/**
 * What a <input type="datetime-local"> shows for an instant.
 * @param {string | null | undefined} text
 * @param {string} timeZone
 */
export const toInput = (text, timeZone = zone()) =>
  text && !Number.isNaN(Date.parse(text)) ? wall(new Date(text), timeZone).replace(" ", "T") : "";

/**
 * The instants that a typed time can mean: two in the hour that comes twice, one otherwise. A time that the clocks
 * leave out is taken as the clocks before the change would have shown it.
 * @param {string} text
 * @param {string} timeZone
 */
export function instantsOf(text, timeZone = zone()) {
  const asUtc = Date.parse(`${text}Z`);
  if (Number.isNaN(asUtc)) return [];
  const guesses = [-86400000, 86400000].map((off) => asUtc - offset(new Date(asUtc + off), timeZone));
  const real = guesses.filter((guess) => toInput(new Date(guess).toISOString(), timeZone) === full(text));
  const found = real.length ? real : guesses.slice(0, 1);
  return [...new Set(found)].sort((a, b) => a - b).map((one) => new Date(one).toISOString());
}

/** @param {string} text */
const full = (text) => (text.length === 16 ? `${text}:00` : text.slice(0, 19));

/**
 * An input for an instant, in Airflow's zone. In the hour that comes twice a choice appears.
 * @param {string} name
 * @param {string} label
 * @param {string | null} value
 */
export function timeField(name, label, value) {
  const timeZone = zone();
  const input = el("input", { id: name, type: "datetime-local", step: 1, value: toInput(value, timeZone) });
  const which = el("select", { "aria-label": `${label}: which of both`, hidden: true });
  const kept = el("input", { type: "hidden", name, value: value ?? "" });
  const offer = () => {
    const instants = instantsOf(input.value, timeZone);
    which.replaceChildren(
      ...instants.map((one) =>
        el("option", { value: one, selected: one === kept.value }, `UTC${offsetText(new Date(one), timeZone)}`),
      ),
    );
    which.hidden = instants.length < 2;
  };
  input.oninput = () => {
    kept.value = instantsOf(input.value, timeZone)[0] ?? "";
    offer();
  };
  which.onchange = () => {
    kept.value = which.value;
  };
  if (value) kept.value = new Date(value).toISOString();
  offer();
  return el(
    "div",
    { class: "field" },
    el("label", { for: name }, label, " ", el("span", { class: "small" }, timeZone)),
    input,
    which,
    kept,
  );
}

const isInstant = (/** @type {unknown} */ text) =>
  typeof text === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(text);

/**
 * An instant as Airflow shows it; the exact one in UTC on hover.
 * @param {string | null | undefined} text
 */
export const instant = (text) =>
  text && isInstant(text) ? el("time", { dateTime: text, title: text }, wall(new Date(text), zone())) : null;

/**
 * A value as a text; instants as times.
 * @param {any} value
 */
export const withTimes = (value) =>
  instant(value) ?? String(typeof value === "object" && value ? JSON.stringify(value) : value);

/**
 * An instant on a chart's axis.
 * @param {string} text
 * @param {boolean} isLong
 */
export const clock = (text, isLong) => wall(new Date(text), zone()).slice(isLong ? 5 : 11, 16);

/**
 * A length of time in words.
 * @param {number | null | undefined} seconds
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** @param {string | null | undefined} text */
export const age = (text) => (text ? duration((Date.now() - Date.parse(text)) / 1000) : null);

/**
 * When it is due again, as a wait from now.
 * @param {string} text
 */
export function dueIn(text) {
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  return seconds < 1 ? "due now" : `due in ${duration(seconds)}`;
}
