// @ts-check
// What needs a person, in groups: one line for all that failed for one reason.
import { asOperation } from "./actions.js";
import { get } from "./api.js";
import { draw, el, empty, plainButton } from "./dom.js";
import { at } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { badge, number } from "./words.js";

/** @param {any} group the filter of its requests */
const filterOf = ({ cause, category, stage, status, source_system, document_type, document_name }) => {
  const filter = { state: "needs_person", cause, stage, source_system, document_type, document_name };
  return { ...filter, status: [status], ...(category ? { category } : {}) };
};

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function failures(page, { me }) {
  const button = (/** @type {string} */ text, /** @type {string} */ action, /** @type {any} */ group) =>
    plainButton(`${text} …`, () => asOperation(action, { filter: filterOf(group) }), {
      "aria-label": `${text} these ${number(group.number)}: ${group.category} ${group.document_name}`,
    });
  const columns = [
    {
      head: "Error",
      cell: (/** @type {any} */ group) => [
        el("a", { href: at("search", filterOf(group)) }, group.category ?? "none kept"),
        el("div", { class: "small long" }, group.text ?? ""),
      ],
    },
    { head: "Requests", kind: "n", cell: (/** @type {any} */ group) => number(group.number) },
    {
      head: "Ended",
      cell: (/** @type {any} */ group) => [
        badge(group.status),
        el("div", { class: "quiet small" }, `at ${group.stage}`),
      ],
    },
    {
      head: "Document",
      kind: "wrap",
      cell: (/** @type {any} */ group) => [
        group.document_name,
        el("div", { class: "quiet small" }, group.document_type),
      ],
    },
    { head: "Client", kind: "wrap", cell: (/** @type {any} */ group) => group.source_system },
    { head: "First", cell: (/** @type {any} */ group) => instant(group.first_at) },
    { head: "Last", cell: (/** @type {any} */ group) => instant(group.last_at) },
    me.may.act && {
      head: "",
      cell: (/** @type {any} */ group) =>
        el("div", { class: "buttons" }, button("Retrigger", "retrigger", group), button("Resolve", "resolve", group)),
    },
  ];
  await keepFresh(async () => {
    const groups = await get("failures");
    draw(
      page,
      el("h1", {}, "Failures"),
      el(
        "p",
        { class: "quiet" },
        "Red requests that need a person, one line for each cause, document and client. ",
        me.may.act
          ? "Texts are shown without numbers and quotations. Your look is recorded."
          : "Your role sees no text that may quote what a client sent.",
      ),
      groups.length
        ? table(columns, groups, {
            label: "Failures in groups",
            key: (group) =>
              `${group.cause} ${group.source_system} ${group.document_name} ${group.stage} ${group.status}`,
          })
        : empty(
            "Nothing needs a person",
            "Requests that end FAILED or STOPPED are here until they are retriggered or resolved.",
          ),
      groups[0] && groups[0].groups > groups.length
        ? el("p", { class: "quiet" }, `The largest ${number(groups.length)} of ${number(groups[0].groups)} groups.`)
        : "",
    );
  }, 10);
}
