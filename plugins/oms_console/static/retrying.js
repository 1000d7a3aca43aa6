// What has spent attempts and has not ended, by its error: the early sign of an outage.
import { get } from "./api.js";
import { el, empty, fill } from "./dom.js";
import { at } from "./links.js";
import { keepFresh, news } from "./refresh.js";
import { instant, number } from "./words.js";

const HEADS = ["Last error", "At", "Requests", "Waiting", "Most spent", "Oldest", "Last", "For example"];

export async function retrying(page) {
  const isNews = news();
  await keepFresh(async () => {
    const groups = await get("retrying");
    if (!isNews(groups)) return;
    const row = (group) => [el("a", { href: at("search", { category: group.category, retrying: true }) }, group.category ?? "none kept"), group.stage, number(group.number),
      number(group.waiting), number(group.most_spent), instant(group.oldest_created_at), instant(group.last_at), el("span", { class: "long" }, group.a_description ?? "")];
    fill(page, el("h1", {}, "Retrying"), el("p", { class: "quiet" }, "Requests that have failed at least once and are tried again by themselves. Many of one kind, and growing: an outage on its way."),
      groups.length ? el("table", { class: "cards" }, el("thead", {}, el("tr", {}, HEADS.map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, groups.map((group) => el("tr", {}, row(group).map((value, n) => el("td", { "data-label": HEADS[n] }, value))))))
        : empty("Nothing is being retried", "Whatever fails for a reason that may pass shows up here first."));
  }, 5);
}
