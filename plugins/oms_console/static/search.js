// @ts-check
// Searching requests by whatever the operator has in hand.
import { get } from "./api.js";
import { asOperation } from "./actions.js";
import { ask } from "./dialog.js";
import { draw, el, empty, fill, note, plainButton } from "./dom.js";
import { filterOf, withoutPage } from "./filter.js";
import { holdMatching } from "./holds.js";
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
  ["batch_name", "Batch name"],
  ["metadata", "Metadata KEY:VALUE", "text", "POLICY_ID:4711"],
  ["source_system", "Source system"],
  ["run_id", "Run", "numeric"],
  ["document", "Document name or type"],
  ["error_text", "Text of the last error"],
];
/** @type {Record<string, string>} what a pasted text may be */
const KINDS = {
  request_id: "a request",
  correlation_id: "a correlation id",
  batch_name: "a batch name",
  batch_id: "a Thunderhead batch",
  source_system: "a source system",
  document_name: "a document",
  document_type: "a document type",
};
/** Filters that a link brings; the form keeps them, and a chip takes each away. */
const HIDDEN = ["cause", "document_name", "document_type", "hold_id"];
/** @type {Record<string, string>} */
const ORDERS = { newest: "Newest first", oldest: "Oldest first", ended: "Last ended first" };
const PERSONAL = new Set(["metadata", "error_text"]);
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
  const texts = TEXTS.filter(([name]) => !PERSONAL.has(name) || mayAct).map(([name, label, mode, example]) =>
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
    timeField("ended_from", "Ended from", params.get("ended_from")),
    timeField("ended_to", "Ended before", params.get("ended_to")),
    HIDDEN.filter((name) => said(name)).map((name) => el("input", { type: "hidden", name, value: said(name) })),
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

/** One box for whatever was pasted: it says what that is. */
function oneBox() {
  const answer = el("div", { "aria-live": "polite" });
  const link = (/** @type {string} */ kind, /** @type {string} */ text) =>
    el("a", { class: "button plain", href: at("search", { [kind]: text }) }, KINDS[kind]);
  const find = async (/** @type {any} */ event) => {
    event.preventDefault();
    const text = new FormData(event.target).get("q");
    if (!text) return;
    try {
      const { kinds, text: cleaned, begins } = await get(`find?${new URLSearchParams({ q: String(text) })}`);
      if (kinds.length === 1) location.assign(at("search", { [kinds[0]]: cleaned }));
      else if (kinds.length)
        fill(
          answer,
          el(
            "div",
            { class: "bar" },
            "Several things have this id or name: ",
            kinds.map((/** @type {string} */ kind) => link(kind, cleaned)),
          ),
        );
      else if (begins.length)
        fill(
          answer,
          el(
            "ul",
            { class: "begins", "aria-label": `What begins with ${cleaned}` },
            begins.map((/** @type {any} */ one) =>
              el("li", {}, KINDS[one.kind], " ", el("a", { href: at("search", { [one.kind]: one.text }) }, one.text)),
            ),
          ),
        );
      else
        fill(
          answer,
          el("p", { class: "quiet" }, "No request, batch, client or document has this id or name, or begins with it."),
        );
    } catch (error) {
      fill(answer, note("bad", /** @type {Error} */ (error).message));
    }
  };
  return el(
    "form",
    { class: "find", role: "search", "aria-label": "Find by any id or name", onsubmit: find },
    el("label", { for: "q" }, "Any id or name, or its beginning"),
    el("input", {
      id: "q",
      name: "q",
      maxLength: 300,
      autocomplete: "off",
      placeholder: "request, correlation id, batch, document, client",
    }),
    el("button", { class: "plain", type: "submit" }, "Find"),
    answer,
  );
}

/**
 * Each condition, to be taken away.
 * @param {URLSearchParams} filter
 */
const chips = (filter) =>
  el(
    "ul",
    { class: "chips", "aria-label": "Conditions" },
    [...filter].map(([name, value], n) => {
      const rest = new URLSearchParams([...filter].filter((_, other) => other !== n));
      const shown = name === "cause" ? "as in the group" : (STATES[value] ?? value);
      return el(
        "li",
        {},
        `${name.replaceAll("_", " ")}: ${shown} `,
        el(
          "a",
          { href: `${at("search")}?${rest}`, "aria-label": `Without ${name.replaceAll("_", " ")} ${shown}` },
          "✕",
        ),
      );
    }),
  );

/** @returns {Record<string, string>} */
const views = () => JSON.parse(localStorage.getItem("oms.views") ?? "{}");

/**
 * Searches that were given a name, in this browser. Conditions that may be personal data are not kept.
 * @param {URLSearchParams} filter
 */
function savedViews(filter) {
  const kept = new URLSearchParams([...filter].filter(([name]) => !PERSONAL.has(name)));
  const place = el("div", { class: "bar", role: "group", "aria-label": "Saved views" });
  const keep = (/** @type {Record<string, string>} */ all) => {
    localStorage.setItem("oms.views", JSON.stringify(all));
    show();
  };
  const save = () =>
    ask({
      title: "Save this search",
      fields: [{ name: "name", label: "Name of the view", required: true }],
      go: "Save",
      act: async ({ name }) => keep({ ...views(), [name.trim()]: String(kept) }),
    });
  const show = () =>
    fill(
      place,
      Object.entries(views()).map(([name, query]) => [
        el("a", { class: "button plain", href: `${at("search")}?${query}` }, name),
        el(
          "button",
          {
            class: "copy",
            type: "button",
            "aria-label": `Forget the view ${name}`,
            onclick: () => keep(Object.fromEntries(Object.entries(views()).filter(([other]) => other !== name))),
          },
          "✕",
        ),
      ]),
      kept.size ? plainButton("Save this search …", save) : null,
    );
  show();
  return place;
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
    oneBox(),
    savedViews(filter),
    filter.size ? chips(filter) : null,
    el(
      "details",
      { class: "fold", open: !isPhone },
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
  const view = () => draw(results, found.items.length ? [bar(), orders(), list(), pages()] : nothing());
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
    plainButton(`${ACTIONS[action].does} all that match …`, () => asOperation(action, { filter: filterOf(filter) }));
  const all = () =>
    me.may.act
      ? [
          ["retrigger", "resolve"].map(forAll),
          el(
            "details",
            { class: "fold" },
            el("summary", {}, "More"),
            el(
              "div",
              { class: "bar" },
              plainButton("Hold all that match …", () => holdMatching(filterOf(filter))),
              ["retry_now", "withdraw", "reopen", "publish_again"].map(forAll),
            ),
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
  const order = params.get("order") ?? "newest";
  const orders = () =>
    el(
      "div",
      { class: "pick", role: "group", "aria-label": "Order" },
      Object.entries(ORDERS).map(([key, text]) =>
        el(
          "a",
          {
            class: "button plain",
            href: `${at("search")}?${inOrder(key)}`,
            "aria-current": key === order ? "true" : undefined,
          },
          text,
        ),
      ),
    );
  const inOrder = (/** @type {string} */ key, /** @type {Record<string, any>} */ more = {}) =>
    new URLSearchParams([...filter, ["order", key], ...Object.entries(more)]);
  const list = () => requestList(found.items, { mayAct: me.may.act, selected, redraw: view, changed: show });
  const pages = () =>
    el(
      "nav",
      { class: "pages", "aria-label": "Pages" },
      params.get("after")
        ? el("a", { class: "button plain", href: `${at("search")}?${inOrder(order)}` }, "First page")
        : null,
      found.next
        ? el(
            "a",
            {
              class: "button plain",
              rel: "next",
              href: `${at("search")}?${inOrder(order, { ...found.next, n: first + PAGE })}`,
            },
            "Next page",
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
