// How values are shown.
import { el } from "./dom.js";

export const STATUSES = ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "STOPPED"];
export const CATEGORIES = ["VALIDATION_ERROR", "PROCESSING_ERROR", "TIMEOUT_ERROR", "INTERNAL_ERROR", "CONFIGURATION_ERROR",
  "STOPPED_AT_THUNDERHEAD", "BATCH_UNKNOWN", "OVERDUE", "WORKER_DIED", "CANCELLED", "UNKNOWN_ERROR"];
export const SYSTEMS = { THUNDERHEAD: "Thunderhead", REFERENCE_DATA: "Reference data", KAFKA: "Kafka", DATABASE: "OMS Database" };
const RETRIGGER = { ENRICHMENT: "a new attempt, from the configuration on", SUBMISSION: "a new attempt",
  GENERATION: "a new attempt, with a new Thunderhead batch", MONITORING: "asking Thunderhead about the same batch again" };

export const whatRetriggerDoes = (stage) => RETRIGGER[stage] ?? "a new attempt";
export const isRed = (row) => row.status === "FAILED" || row.status === "STOPPED";
export const isWithdrawn = (row) => row.status === "STOPPED" && row.category === "CANCELLED";
export const number = (value) => Number(value ?? 0).toLocaleString("en");
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${Number(n) === 1 ? one : many}`;

export const badge = (status) => el("span", { class: `badge ${status.toLowerCase()}` }, status);

/** The time zone that is set in Airflow's own UI; without one, as there, the browser's. */
function zone() {
  try { return JSON.parse(localStorage.getItem("timezone")) ?? undefined; } catch { return localStorage.getItem("timezone"); }
}

function formatter(parts) {
  try { return new Intl.DateTimeFormat("sv-SE", { ...parts, timeZone: zone() }); } catch { return new Intl.DateTimeFormat("sv-SE", parts); }
}

const CLOCK = { hour: "2-digit", minute: "2-digit" };
const FULL = formatter({ year: "numeric", month: "2-digit", day: "2-digit", ...CLOCK, second: "2-digit" });
const SHORT = formatter(CLOCK);
const DAY = formatter({ month: "2-digit", day: "2-digit", ...CLOCK });

/** An instant as Airflow shows it; the exact one in UTC on hover. */
export const instant = (text) => (text ? el("time", { dateTime: text, title: text }, FULL.format(new Date(text))) : null);

/** An instant on a chart's axis. */
export const clock = (text, isLong) => (isLong ? DAY : SHORT).format(new Date(text));

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
