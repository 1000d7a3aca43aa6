// @ts-check
// How values are named and shown.
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
  MONITORING: "asking Thunderhead about the same batch again",
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
