// Shows what the address names.
import "./theme.js";
import { base, get } from "./api.js";
import { dashboard } from "./dashboard.js";
import { dial } from "./dial.js";
import { el, fill, note } from "./dom.js";
import { airflowLink, at } from "./links.js";
import { reference } from "./reference.js";
import { request } from "./request.js";
import { retrying } from "./retrying.js";
import { search } from "./search.js";
import { slices } from "./slices.js";

const VIEWS = { "": ["Dashboard", dashboard], search: ["Search", search], retrying: ["Retrying", retrying], dial: ["Dial", dial],
  reference: ["Reference data", reference] };
const page = document.getElementById("content");
const [name, id] = location.pathname.slice(base.length + 1).split("/");

const menu = () => el("nav", { "aria-label": "OMS" }, Object.entries(VIEWS).map(([path, [title]]) =>
  el("a", { href: at(path), "aria-current": path === name ? "page" : undefined }, title)));

async function main() {
  if (name !== "slices") fill(document.getElementById("head"), menu());
  try {
    const me = await get("me");
    const view = name === "slices" ? slices : name === "requests" ? request : VIEWS[name][1];
    if (VIEWS[name]) document.title = `OMS ${VIEWS[name][0]}`;
    await view(page, { me, id });
  } catch (error) {
    fill(page, note("bad", error.message, error.status === 401 ? [" ", airflowLink("/auth/login", "Log in")] : null));
  }
}

main();
