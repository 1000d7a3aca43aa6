// @ts-check
// Shows what the address names.
import { base, get } from "./api.js";
import { bulk } from "./bulk.js";
import { dashboard } from "./dashboard.js";
import { el, fill, note } from "./dom.js";
import { failures } from "./failures.js";
import { at, loginLink, showAddress } from "./links.js";
import { problem } from "./problem.js";
import { reconciliations } from "./reconciliations.js";
import { reference } from "./reference.js";
import { request } from "./request.js";
import { retrying } from "./retrying.js";
import { runs } from "./runs.js";
import { search } from "./search.js";
import { slices } from "./slices.js";
import { systems } from "./systems.js";
import { trail } from "./trail.js";

/** @typedef {[string, (page: Element, of: any) => Promise<void>]} View */

/** @type {Record<string, View>} those in the menu */
const VIEWS = {
  "": ["Dashboard", dashboard],
  search: ["Search", search],
  failures: ["Failures", failures],
  retrying: ["Retrying", retrying],
  runs: ["Runs", runs],
  bulk: ["Bulk operations", bulk],
  systems: ["Outside systems", systems],
  reference: ["Reference data", reference],
  reconciliations: ["Reconciliation", reconciliations],
  actions: ["Operator actions", trail],
};
/** @type {Record<string, View>} */
const OTHERS = {
  slices: ["Requests", slices],
  requests: ["Request", request],
  problems: ["Problem", problem],
  dial: ["Outside systems", systems],
};
const page = /** @type {Element} */ (document.getElementById("content"));
const [name, id] = location.pathname.slice(base.length + 1).split("/");
const [title, view] = VIEWS[name] ?? OTHERS[name];

const menu = () =>
  el(
    "nav",
    { "aria-label": "OMS" },
    Object.entries(VIEWS).map(([path, [text, shows]]) =>
      el("a", { href: at(path), "aria-current": shows === view ? "page" : undefined }, text),
    ),
  );

async function main() {
  document.title = `${title}${id ? ` ${id}` : ""} · OMS`;
  showAddress();
  if (name !== "slices") fill(/** @type {Element} */ (document.getElementById("head")), menu());
  try {
    await view(page, { me: await get("me"), id });
  } catch (error) {
    const { message, status } = /** @type {any} */ (error);
    fill(page, el("h1", {}, title), note("bad", message, " ", status === 401 ? loginLink() : null));
  }
}

main();
