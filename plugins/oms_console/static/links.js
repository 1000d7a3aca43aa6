// @ts-check
// Addresses inside the console, and Airflow's own pages around it.
import { base } from "./api.js";
import { el } from "./dom.js";

/** @type {Record<string, string>} */
const TASKS = { document_processing: "process_slice", document_monitoring: "poll_slice" };
export const isFramed = window.parent !== window;
const airflow = base.replace(/\/oms$/, "");

/**
 * An address of the console.
 * @param {string} path
 * @param {Record<string, any>} params what is empty is left out
 */
export const at = (path, params = {}) => {
  const isSaid = (/** @type {any} */ one) => one !== "" && one !== null && one !== undefined && one !== false;
  const query = new URLSearchParams(
    Object.entries(params).flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).filter(isSaid).map((one) => [name, one]),
    ),
  );
  return `${base}/${path}${query.size ? `?${query}` : ""}`;
};

/**
 * The address of a page of the console inside Airflow's own: this one can be sent to somebody.
 * @param {string} path
 */
export const addressOf = (path) => `${location.origin}${airflow}/plugin/oms/oms/${path}`;

/** The address bar names the page that is shown, where the frame fills Airflow's page. */
export function showAddress() {
  if (!isFramed) return;
  const { history, location: outer } = window.parent;
  if (!outer.pathname.startsWith(`${airflow}/plugin/oms`)) return;
  const mine = location.pathname.slice(base.length + 1) + location.search;
  history.replaceState(history.state, "", `${airflow}/plugin/oms/oms/${mine}`);
}

/**
 * A link to a page of Airflow's. The frame may not navigate the window, so Airflow's own router is asked to.
 * @param {string} path
 * @param {...any} children
 */
export function airflowLink(path, ...children) {
  const href = airflow + path;
  return el(
    "a",
    {
      href,
      class: "out",
      onclick: (/** @type {MouseEvent} */ event) => {
        if (!isFramed || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        window.parent.history.pushState(null, "", href);
        window.parent.dispatchEvent(new /** @type {any} */ (window.parent).PopStateEvent("popstate", { state: null }));
      },
    },
    ...children,
  );
}

/** Airflow's login, and back to this page. It is no page of Airflow's router: the window goes there. */
export function loginLink() {
  const back = isFramed ? window.parent.location.href : location.href;
  const href = `${airflow}/auth/login?next=${encodeURIComponent(back)}`;
  return el(
    "a",
    {
      href,
      onclick: (/** @type {MouseEvent} */ event) => {
        event.preventDefault();
        window.parent.location.assign(href);
      },
    },
    "Log in",
  );
}

/**
 * The task instance that worked a slice: its page opens with its log.
 * @param {any} row
 */
export const taskInstancePath = ({ job, dag_run_id, map_index }) =>
  `/dags/${job}/runs/${encodeURIComponent(dag_run_id)}/tasks/${TASKS[job]}/mapped/${map_index}`;

/**
 * @param {any} row
 * @param {...any} children
 */
export const taskInstanceLink = (row, ...children) =>
  row.job in TASKS ? airflowLink(taskInstancePath(row), ...children) : null;

/**
 * The same, by the task's name and map index.
 * @param {any} row
 */
export const instanceLink = (row) => taskInstanceLink(row, `${TASKS[row.job]} [${row.map_index}]`);

/** @param {string | number} id */
export const requestLink = (id) => el("a", { href: at(`requests/${id}`) }, String(id));
