// @ts-check
// Searching requests by whatever the operator has in hand.
import { get } from "./api.js";
import { asOperation } from "./actions.js";
import { draw, el, empty, fill, note } from "./dom.js";
import { filterOf, withoutPage } from "./filter.js";
import { at } from "./links.js";
import { requestList } from "./list.js";
import { keepFresh } from "./refresh.js";
import { timeField } from "./times.js";
import { ACTIONS, CATEGORIES, STAGES, STATES, STATUSES, number } from "./words.js";

const PAGE = 50;
/** @type {[string, string, string?, string?][]} name, label, keyboard, example */
const TEXTS = [
  ["request_id", "Request id", "numeric"],
  ["correlation_id", "Correlation id"],
  ["batch_id", "Thunderhead batch", "numeric"],
  ["metadata", "Metadata KEY:VALUE", "text", "POLICY_ID:4711"],
  ["source_system", "Source system"],
  ["document", "Document name or type"],
];
/** @type {[string, string, string[] | Record<string, string>][]} */
const CHOICES = [
  ["state", "State", { ...STATES, retrying: "being retried" }],
  ["category", "Last error", CATEGORIES],
  ["stage", "Stage", STAGES],
];

/**
 * @param {URLSearchParams} params
 * @param {boolean} mayAct
 */
function form(params, mayAct) {
  const said = (/** @type {string} */ name) => params.get(name) ?? "";
  const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {any} */ input) =>
    el("div", { class: "field" }, el("label", { for: name }, label), input);
  const texts = TEXTS.filter(([name]) => name !== "metadata" || mayAct).map(([name, label, mode, example]) =>
    field(
      name,
      label,
      el("input", {
        id: name,
        name,
        value: said(name),
        inputMode: mode ?? "text",
        maxLength: 355,
        autocomplete: "off",
        placeholder: example ?? "",
      }),
    ),
  );
  const choices = CHOICES.map(([name, label, values]) =>
    field(
      name,
      label,
      el(
        "select",
        { id: name, name },
        el("option", { value: "" }, "Any"),
        (Array.isArray(values) ? values.map((value) => [value, value]) : Object.entries(values)).map(([value, text]) =>
          el("option", { value, selected: said(name) === value }, text),
        ),
      ),
    ),
  );
  const box = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ label) =>
    el(
      "label",
      {},
      el("input", { type: "checkbox", name, value, checked: params.getAll(name).includes(value) }),
      ` ${label}`,
    );
  const group = (/** @type {string} */ label, /** @type {any[]} */ boxes) =>
    el(
      "div",
      { class: "choices", role: "group", "aria-label": label },
      el("span", { class: "quiet small" }, label),
      boxes,
    );
  return el(
    "form",
    { class: "search", role: "search", onsubmit: submitted },
    texts,
    choices,
    timeField("created_from", "Created from", params.get("created_from")),
    timeField("created_to", "Created before", params.get("created_to")),
    group(
      "Status",
      STATUSES.map((status) => box("status", status, status)),
    ),
    group("Only what is", [box("withdrawn", "false", "not withdrawn")]),
    el(
      "div",
      { class: "field go" },
      el("button", { class: "main", type: "submit" }, "Search"),
      el("a", { href: at("search"), class: "button plain" }, "Reset"),
    ),
  );
}

/** @param {any} event */
function submitted(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  location.assign(
    at(
      "search",
      Object.fromEntries([...form].map(([name, value]) => [name, name === "status" ? form.getAll(name) : value])),
    ),
  );
}

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function search(page, { me }) {
  const params = new URLSearchParams(location.search);
  const filter = withoutPage(params);
  const results = el("section", { "aria-label": "Results", "aria-live": "polite" });
  /** @type {Set<any>} */
  const selected = new Set();
  const isPhone = document.documentElement.clientWidth < 700;
  fill(
    page,
    el("h1", {}, "Search"),
    el(
      "details",
      { class: "fold", open: !isPhone || !filter.size },
      el(
        "summary",
        {},
        filter.size ? `Search by ${[...new Set(filter.keys())].join(", ").replaceAll("_", " ")}` : "Search by",
      ),
      form(params, me.may.act),
    ),
    results,
  );
  /** @type {any} */
  let found = null;
  /** @type {any} */
  let total = null;
  const first = Number(params.get("n") ?? 1);
  const view = () => draw(results, found.items.length ? [bar(), list(), pages()] : nothing());
  const nothing = () =>
    empty(
      "No request matches",
      filter.size
        ? "Leave out a condition, or search for the correlation id that the client used."
        : "No request has been handed in yet. `make demo` hands in 200 requests.",
    );
  const count = () => {
    const shown = `${number(first)}–${number(first + found.items.length - 1)}`;
    if (!total) return shown;
    return `${shown} of ${total.is_bound ? "more than " : ""}${number(total.number)}`;
  };
  const forAll = (/** @type {string} */ action) =>
    el(
      "button",
      { class: "plain", type: "button", onclick: () => asOperation(action, { filter: filterOf(filter) }) },
      `${ACTIONS[action].does} all that match …`,
    );
  const all = () =>
    me.may.act
      ? [
          ["retrigger", "resolve"].map(forAll),
          el(
            "details",
            { class: "fold" },
            el("summary", {}, "More"),
            el("div", { class: "bar" }, ["retry_now", "withdraw", "reopen", "publish_again"].map(forAll)),
          ),
        ]
      : null;
  const bar = () =>
    el(
      "div",
      { class: "bar" },
      el("span", { class: "count" }, count()),
      all(),
      el(
        "a",
        { class: "button plain", href: `${at("api/requests.csv")}?${filter}`, download: "oms-requests.csv" },
        "Export as CSV",
      ),
    );
  const list = () => requestList(found.items, { mayAct: me.may.act, selected, redraw: view, changed: show });
  const pages = () =>
    el(
      "nav",
      { class: "pages", "aria-label": "Pages" },
      params.get("before") ? el("a", { class: "button plain", href: `${at("search")}?${filter}` }, "Newest") : null,
      found.before
        ? el(
            "a",
            {
              class: "button plain",
              rel: "next",
              href: `${at("search")}?${new URLSearchParams([
                ...filter,
                ["before", found.before],
                ["n", String(first + PAGE)],
              ])}`,
            },
            "Older",
          )
        : null,
    );
  const show = async () => {
    found = await get(`requests?${params}`);
    view();
  };
  try {
    await keepFresh(show, 10);
    total = await get(`requests/total?${filter}`);
    view();
  } catch (error) {
    fill(results, note("bad", /** @type {Error} */ (error).message));
  }
}
