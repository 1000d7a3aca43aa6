// Addresses inside the console, and Airflow's own pages around it.
import { base } from "./api.js";
import { el } from "./dom.js";

const TASKS = { document_processing: "process_slice", document_monitoring: "poll_slice" };
export const isFramed = window.parent !== window;

/** An address of the console. */
export const at = (path, params = {}) => {
  const query = new URLSearchParams(Object.entries(params).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).filter((one) => one !== "" && one !== null && one !== undefined && one !== false)
      .map((one) => [name, one])));
  return `${base}/${path}${query.size ? `?${query}` : ""}`;
};

/** A link to a page of Airflow's. The frame may not navigate the window, so Airflow's own router is asked to. */
export function airflowLink(path, ...children) {
  const href = base.replace(/\/oms$/, "") + path;
  return el("a", { href, class: "out", onclick: (event) => {
    if (!isFramed || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    window.parent.history.pushState(null, "", href);
    window.parent.dispatchEvent(new window.parent.PopStateEvent("popstate", { state: null }));
  } }, ...children);
}

/** The task instance that worked a slice: its page opens with its log. */
export function taskInstancePath({ job, dag_run_id, map_index }) {
  return `/dags/${job}/runs/${encodeURIComponent(dag_run_id)}/tasks/${TASKS[job]}/mapped/${map_index}`;
}

export const taskInstanceLink = (row, ...children) => (row.job in TASKS ? airflowLink(taskInstancePath(row), ...children) : null);

/** The same, by the task's name and map index. */
export const instanceLink = (row) => taskInstanceLink(row, `${TASKS[row.job]} [${row.map_index}]`);

export const requestLink = (id) => el("a", { href: at(`requests/${id}`) }, String(id));
