// How values are shown.
import { el } from "./dom.js";

export const STATUSES = ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "STOPPED"];
export const CATEGORIES = ["VALIDATION_ERROR", "PROCESSING_ERROR", "TIMEOUT_ERROR", "INTERNAL_ERROR", "CONFIGURATION_ERROR",
  "STOPPED_AT_THUNDERHEAD", "BATCH_UNKNOWN", "OVERDUE", "WORKER_DIED", "CANCELLED", "UNKNOWN_ERROR"];
const RETRIGGER = { ENRICHMENT: "a new attempt, from the configuration on", SUBMISSION: "a new attempt",
  GENERATION: "a new attempt, with a new Thunderhead batch", MONITORING: "asking Thunderhead about the same batch again" };

export const whatRetriggerDoes = (stage) => RETRIGGER[stage] ?? "a new attempt";
export const isRed = (row) => row.status === "FAILED" || row.status === "STOPPED";
export const number = (value) => Number(value ?? 0).toLocaleString("en");
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${Number(n) === 1 ? one : many}`;

export const badge = (status) => el("span", { class: `badge ${status.toLowerCase()}` }, status);

const SHORT = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** An instant in the reader's own time; the exact one in UTC on hover. */
export const instant = (text) => (text ? el("time", { dateTime: text, title: text }, SHORT.format(new Date(text))) : null);

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** When it is due again, as a wait from now. */
export const dueIn = (text) => `due in ${duration((new Date(text) - Date.now()) / 1000)}`;
