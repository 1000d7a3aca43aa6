// @ts-check
// The outside systems, and Thunderhead's document types: paused or not, and how much at once.
import { change, get } from "./api.js";
import { UNTIL, ask, untilOf } from "./dialog.js";
import { draw, el, fill, note, plainButton, say } from "./dom.js";
import { holds } from "./holds.js";
import { keepFresh, staleSince } from "./refresh.js";
import { sourceSystemLimits } from "./limits.js";
import { instant } from "./times.js";
import { SYSTEMS, number, plural } from "./words.js";

const WHY = { name: "why", label: "Why? The next operator will want to know.", required: true };
const hasLimits = (/** @type {any} */ system) => system.system === "THUNDERHEAD";
const isOfOneType = (/** @type {any} */ system) => system.document_type !== "*";
const titleOf = (/** @type {any} */ system) =>
  `${SYSTEMS[system.system] ?? system.system}${isOfOneType(system) ? `, ${system.document_type}` : ""}`;

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function systems(page, { me }) {
  const list = el("div", { class: "columns" });
  const held = el("section");
  const drawHolds = holds(held, me);
  const limited = el("section");
  const drawLimits = sourceSystemLimits(limited, me);
  /** @type {any[]} */
  let last = [];
  const view = (/** @type {any[]} */ rows) => {
    last = rows;
    draw(
      list,
      rows.map((system) => card(system, me, view)),
    );
  };
  document.addEventListener("freshness", () => view(last));
  fill(
    page,
    el(
      "div",
      { class: "title" },
      el("h1", {}, "Outside systems"),
      me.may.act ? plainButton("Add a document type …", () => add(view)) : null,
    ),
    el(
      "p",
      { class: "quiet" },
      "All slices share these settings. While a system is paused, no job claims work that needs it, and ",
      "nothing is lost. A document type keeps its own limits and those of the whole system.",
    ),
    me.may.act ? null : note("quiet", "Your Airflow role may read these settings, but not change them."),
    list,
    held,
    limited,
  );
  await keepFresh(async () => {
    const [rows, inForce, ofSystems] = await Promise.all([get("systems"), get("holds"), get("source-system-limits")]);
    view(rows);
    drawHolds(inForce);
    drawLimits(ofSystems);
  }, 5);
}

/**
 * A document type gets settings of its own at Thunderhead. That reference data is away keeps nobody from it.
 * @param {(rows: any[]) => void} view
 */
async function add(view) {
  const known = await get("reference/reference-data?type=DOCUMENT_TYPE").catch(() => []);
  const rows = await ask({
    title: "Settings for one document type",
    go: "Add",
    fields: [
      {
        name: "document_type",
        label: "Document type, as clients send it",
        required: true,
        offered: known.map((/** @type {any} */ row) => row.refDataValue),
      },
    ],
    act: ({ document_type }) => change("POST", "systems/THUNDERHEAD", { document_type: document_type.trim() }),
  });
  if (rows) view(rows);
}

/**
 * What was changed, and nothing else; with the version that was seen.
 * @param {any} system
 * @param {any} changed
 */
const changeOf = (system, changed) =>
  change("PATCH", `systems/${system.system}`, {
    document_type: system.document_type,
    version: system.version,
    ...changed,
  });

/**
 * @param {any} system
 * @param {any} me
 * @param {(rows: any[]) => void} view
 */
function card(system, me, view) {
  const shown = (/** @type {any} */ rows) => {
    if (rows) view(rows);
  };
  const pause = async () =>
    shown(
      await ask({
        title: `Pause ${titleOf(system)}?`,
        fields: [WHY, UNTIL],
        go: "Pause",
        act: ({ why, until }) => changeOf(system, { paused: true, why, until: untilOf(until) }),
      }),
    );
  const resume = async () =>
    shown(
      await ask({
        title: `Resume ${titleOf(system)}?`,
        go: "Resume",
        content: el("p", {}, "Work that waits for it is claimed again immediately."),
        act: () => changeOf(system, { paused: false }),
      }),
    );
  const drop = async () =>
    shown(
      await ask({
        title: `Remove the settings of ${system.document_type}?`,
        go: "Remove",
        content: el("p", {}, `${system.document_type} then keeps the settings of all document types.`),
        act: () =>
          change(
            "DELETE",
            `systems/${system.system}?${new URLSearchParams({
              document_type: system.document_type,
              version: system.version,
            })}`,
            {},
          ),
      }),
    );
  const buttons = !me.may.act
    ? null
    : el(
        "div",
        { class: "bar" },
        isOfOneType(system) ? plainButton("Remove …", drop) : null,
        system.paused_at ? plainButton("Resume …", resume) : plainButton("Pause …", pause),
      );
  return el(
    "section",
    { "data-key": `${system.system}-${system.document_type}` },
    el("div", { class: "title" }, el("h2", {}, titleOf(system)), buttons),
    state(system),
    hasLimits(system) ? limits(system, me, shown) : null,
  );
}

/** @param {any} system */
function state(system) {
  if (system.paused_at)
    return note(
      "warn",
      `Paused by ${system.paused_by} since `,
      instant(system.paused_at),
      system.paused_until ? [" until ", instant(system.paused_until)] : "",
      `: ${system.paused_why ?? "no reason given"}`,
    );
  if (system.open_until)
    return note("bad", "The breaker is open until ", instant(system.open_until), `: ${system.last_error ?? ""}`);
  if (system.bears_per_second)
    return note(
      "warn",
      "It asked for fewer calls. It gets about ",
      number(Math.round(system.bears_per_second)),
      " a second, and more as it bears them.",
    );
  if (staleSince()) return note("quiet", "Not known since ", instant(staleSince()), ".");
  return note("good", system.failures ? `On probation after ${plural(system.failures, "outage")}.` : "In use.");
}

const LIMITS = [
  { name: "most_in_flight", label: "Most in flight", least: 1 },
  { name: "most_per_second", label: "Most per second", least: 0.1 },
];

/**
 * @param {any} system
 * @param {any} me
 * @param {(rows: any) => void} shown
 */
function limits(system, me, shown) {
  const fact = (/** @type {any} */ { name, label }) =>
    el(
      "span",
      { class: "pair" },
      el("span", { class: "quiet" }, `${label} `),
      system[name] === null ? "no limit" : number(system[name]),
    );
  const set = async () =>
    shown(
      await ask({
        title: `Limits of ${titleOf(system)}`,
        go: "Set limits",
        fields: LIMITS.map(({ name, label }) => ({
          name,
          label,
          type: "number",
          value: system[name],
          help: "Empty: no limit.",
        })),
        act: async (values) => {
          const said = Object.fromEntries(
            LIMITS.map(({ name }) => [name, values[name] === "" ? null : Number(values[name])]),
          );
          const changed = Object.fromEntries(Object.entries(said).filter(([name, value]) => value !== system[name]));
          const rows = Object.keys(changed).length ? await changeOf(system, changed) : await get("systems");
          say("Limits set.");
          return rows;
        },
      }),
    );
  return el("div", { class: "bar" }, LIMITS.map(fact), me.may.act ? plainButton("Change limits …", set) : null);
}
