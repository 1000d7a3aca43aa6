// @ts-check
// What has spent attempts and has not ended, by its error: the early sign of an outage.
import { get } from "./api.js";
import { draw, el, empty } from "./dom.js";
import { at } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { number } from "./words.js";

/** @param {any} group */
const link = ({ category, stage }) =>
  category ? el("a", { href: at("search", { category, stage, state: "retrying" }) }, category) : "none kept";

const COLUMNS = [
  { head: "Last error", cell: link },
  { head: "At", cell: (/** @type {any} */ group) => group.stage },
  { head: "Requests", kind: "n", cell: (/** @type {any} */ group) => number(group.number) },
  { head: "Waiting", kind: "n", cell: (/** @type {any} */ group) => number(group.waiting) },
  { head: "Most spent", kind: "n", cell: (/** @type {any} */ group) => number(group.most_spent) },
  { head: "Oldest", cell: (/** @type {any} */ group) => instant(group.oldest_created_at) },
  { head: "Last", cell: (/** @type {any} */ group) => instant(group.last_at) },
];

/** @param {Element} page */
export async function retrying(page) {
  await keepFresh(async () => {
    const groups = await get("retrying");
    draw(
      page,
      el("h1", {}, "Retrying"),
      el(
        "p",
        { class: "quiet" },
        "These requests have failed at least once and are tried again without your help. ",
        "Many of one kind, and more every minute, are the first sign of an outage.",
      ),
      groups.length
        ? table(COLUMNS, groups, { label: "Retrying, by error", key: (group) => `${group.category} ${group.stage}` })
        : empty("Nothing is being retried", "Requests appear here after their first transient failure."),
    );
  }, 5);
}
