// @ts-check
// Calling the console's API. Airflow's session cookie says who calls.
import { parse } from "./json.js";

export const base = document.documentElement.dataset.base ?? "";

export class Refused extends Error {
  /**
   * @param {number} status 0: no answer
   * @param {string} text
   * @param {any} problem what the API said, as JSON
   */
  constructor(status, text, problem = {}) {
    super(text);
    this.status = status;
    this.problem = problem;
  }
}

const NO_ANSWER = "Airflow does not answer. Check the connection; the page tries again by itself.";
const NO_SESSION = "You are not logged in, or your session has ended. Log in to Airflow; this page stays as it is.";
const NO_RIGHT = "Your Airflow role does not allow this: it needs the right to clear task instances.";

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`${base}/api/${path}`, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, NO_ANSWER);
  }
  if (!answer.ok && answer.status !== 304) throw await refusal(answer);
  return answer;
}

/** @param {Response} answer */
async function refusal(answer) {
  if (answer.status === 401) return new Refused(401, NO_SESSION);
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 403 && (problem.title ?? "Forbidden") === "Forbidden")
    return new Refused(403, NO_RIGHT, problem);
  const text = [problem.title, problem.detail].filter(Boolean).join(": ");
  return new Refused(answer.status, text || `The console answered ${answer.status}.`, problem);
}

/** @type {Map<string, { tag: string, value: any }>} what was answered last, by its path: asked again, it costs a 304 */
const known = new Map();

/** @param {string} path */
export async function get(path) {
  const last = known.get(path);
  const answer = await call(path, last ? { headers: { "If-None-Match": last.tag } } : {});
  if (answer.status === 304 && last) return last.value;
  const value = parse(await answer.text());
  const tag = answer.headers.get("ETag");
  if (tag) known.set(path, { tag, value });
  return value;
}

/**
 * Send JSON. The content type and the header are what no other site's page can send.
 * @param {string} method
 * @param {string} path
 * @param {any} body
 */
export const send = (method, path, body) =>
  call(path, {
    method,
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-OMS-Console": "1" },
  });

/**
 * @param {string} method
 * @param {string} path
 * @param {any} body
 */
export async function change(method, path, body) {
  const text = await (await send(method, path, body)).text();
  return text ? parse(text) : null;
}
