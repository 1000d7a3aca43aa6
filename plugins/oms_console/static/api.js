// Calling the console's API. Airflow's session cookie says who calls.

export const base = document.documentElement.dataset.base;

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(`${base}/api/${path}`, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, "Airflow does not answer. Check the connection; the page tries again by itself.");
  }
  if (!answer.ok) throw new Refused(answer.status, await reason(answer));
  return answer;
}

async function reason(answer) {
  if (answer.status === 401) return "You are not logged in, or your session has ended. Log in to Airflow and come back.";
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 403 && (problem.title ?? "Forbidden") === "Forbidden")
    return "Your Airflow role does not allow this: it needs the right to clear task instances.";
  return [problem.title, problem.detail].filter(Boolean).join(": ") || `The console answered ${answer.status}.`;
}

export const get = async (path) => (await call(path)).json();

/** Send JSON. The content type and the header are what no other site's page can send. */
export const send = (method, path, body) =>
  call(path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", "X-OMS-Console": "1" } });

export const post = async (path, body) => (await send("POST", path, body)).json();
export const remove = (path) => send("DELETE", path, {});
export const put = async (path, body) => (await send("PUT", path, body)).json();
