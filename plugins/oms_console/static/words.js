// @ts-check
// Names of values, and how they are shown.
import { el } from "./dom.js";

export const STATUSES = ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "STOPPED"];
export const STAGES = ["ENRICHMENT", "SUBMISSION", "GENERATION", "MONITORING"];
export const CATEGORIES = [
  "VALIDATION_ERROR",
  "PROCESSING_ERROR",
  "TIMEOUT_ERROR",
  "INTERNAL_ERROR",
  "CONFIGURATION_ERROR",
  "STOPPED_AT_THUNDERHEAD",
  "BATCH_UNKNOWN",
  "OVERDUE",
  "DOCUMENT_ID_MISSING",
  "WORKER_DIED",
  "CANCELLED",
  "UNKNOWN_ERROR",
];
/** @type {Record<string, string>} */
export const STATES = {
  needs_person: "needs a person",
  resolved: "resolved",
  due: "due",
  held: "held",
  waiting: "waits for a back-off",
  in_hand: "in hand",
  at_thunderhead: "at Thunderhead",
  unpublished: "event not published",
  set_aside: "event set aside",
};
/** @type {Record<string, string>} */
export const SYSTEMS = {
  THUNDERHEAD: "Thunderhead",
  REFERENCE_DATA: "Reference data",
  KAFKA: "Kafka",
  DATABASE: "OMS Database",
};
/** @type {Record<string, string>} */
const RETRIGGER = {
  ENRICHMENT: "a new attempt, from the configuration on",
  SUBMISSION: "a new attempt",
  GENERATION: "a new attempt, with a new Thunderhead batch",
  MONITORING: "polling the same batch again",
};

/**
 * The actions on requests: name, address, meaning, and the text if no request matches.
 * @type {Record<string, { does: string, path: string, tells?: string, nothing: string, needsReason?: boolean }>}
 */
export const ACTIONS = {
  retrigger: {
    does: "Retrigger",
    path: "retriggers",
    nothing: "Nothing to retrigger: none of these is FAILED or STOPPED, or all were withdrawn.",
  },
  resolve: {
    does: "Resolve",
    path: "resolutions",
    tells: "They no longer need a person. Status and events stay; no document is made. You can reopen them.",
    nothing: "Nothing to resolve: none of these needs a person.",
    needsReason: true,
  },
  reopen: {
    does: "Reopen",
    path: "reopenings",
    tells: "They need a person again.",
    nothing: "Nothing to reopen: none of these is resolved.",
    needsReason: true,
  },
  retry_now: {
    does: "Retry now",
    path: "retry-now",
    tells: "They no longer wait for their back-off. The next run claims them. Spent attempts stay spent.",
    nothing: "Nothing to retry now: none of these waits for a back-off.",
  },
  withdraw: {
    does: "Withdraw",
    path: "cancellations",
    tells: "They end as STOPPED, with a final event to their client. Requests that a job has claimed do not change.",
    nothing: "Nothing to withdraw: none of these is queued.",
  },
  publish_again: {
    does: "Publish again",
    path: "publications",
    tells: "The newest final event of each is published once more, with the same id. So clients recognise it.",
    nothing: "Nothing to publish: none of these has ended.",
  },
};

/** @param {string} stage */
export const whatRetriggerDoes = (stage) => RETRIGGER[stage] ?? "a new attempt";
/** @param {any} row */
export const isRed = (row) => row.status === "FAILED" || row.status === "STOPPED";
/** @param {any} row */
export const isWithdrawn = (row) => row.status === "STOPPED" && row.category === "CANCELLED";
/** @param {any} value */
export const number = (value) => Number(value ?? 0).toLocaleString("en");
/**
 * @param {any} n
 * @param {string} one
 * @param {string} many
 */
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${Number(n) === 1 ? one : many}`;
/** @param {string} status */
export const badge = (status) => el("span", { class: `badge ${status.toLowerCase()}` }, status);
