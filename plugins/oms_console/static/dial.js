// The dial of each outside system, and of Thunderhead's document types: paused or not, and how much at once.
import { get, put, remove } from "./api.js";
import { asked, confirmed } from "./dialog.js";
import { el, fill, note, say } from "./dom.js";
import { SYSTEMS, instant, number } from "./words.js";

const hasLimits = (system) => system.system === "THUNDERHEAD";
const isOfOneType = (system) => system.document_type !== "*";
const titleOf = (system) => `${SYSTEMS[system.system] ?? system.system}${isOfOneType(system) ? `, ${system.document_type}` : ""}`;

export async function dial(page, { me }) {
  const list = el("div", { class: "columns" });
  const show = (systems) => fill(list, systems.map((system) => card(system, me, show)));
  fill(page, el("div", { class: "title" }, el("h1", {}, "Outside systems"), me.may.act ? el("button", { class: "plain", onclick: () => add(show) }, "Add a document type …") : null),
    el("p", { class: "quiet" }, "All slices share these. Paused: nothing is claimed that needs the system, and nothing is lost. A document type keeps to its own limits and to those of all. Who turned what stands in Airflow's audit log."),
    me.may.act ? null : note("quiet", "Your Airflow role may look, but not turn."), list);
  show(await get("systems"));
}

/** A document type gets a dial of its own at Thunderhead. That reference data is away keeps nobody from it. */
async function add(show) {
  const known = await get("reference/reference-data?type=DOCUMENT_TYPE").catch(() => []);
  const type = (await asked("A dial for one document type", "Document type, as clients send it", "Add", known.map((row) => row.refDataValue)))?.trim();
  const all = await get("systems");
  if (!type || all.some((system) => hasLimits(system) && system.document_type === type)) return;
  await turned(show, put("systems/THUNDERHEAD", { document_type: type, paused: false }));
}

async function turned(show, answer) {
  try { show(await answer); say("Turned."); } catch (error) { say(error.message); }
}

function card(system, me, show) {
  const turn = (change) => turned(show, put(`systems/${system.system}`, { document_type: system.document_type, paused: Boolean(system.paused_at),
    why: system.paused_why, most_in_flight: system.most_in_flight, most_per_second: system.most_per_second, ...change }));
  const pause = async () => {
    const why = await asked(`Pause ${titleOf(system)}?`, "Why? The next operator will want to know.", "Pause");
    if (why) turn({ paused: true, why });
  };
  const drop = async () => {
    const text = el("p", {}, `${system.document_type} then keeps to the dial of all document types.`);
    if (await confirmed(`Remove the dial of ${system.document_type}?`, text, "Remove"))
      turned(show, remove(`systems/${system.system}?${new URLSearchParams({ document_type: system.document_type })}`).then((answer) => answer.json()));
  };
  const buttons = !me.may.act ? null : el("div", { class: "bar" }, isOfOneType(system) ? el("button", { class: "plain", onclick: drop }, "Remove …") : null,
    el("button", { class: "plain", onclick: system.paused_at ? () => turn({ paused: false, why: null }) : pause }, system.paused_at ? "Resume" : "Pause …"));
  return el("section", {}, el("div", { class: "title" }, el("h2", {}, titleOf(system)), buttons), state(system), hasLimits(system) ? limits(system, me, turn) : null);
}

const state = (system) => (system.paused_at ? note("warn", `Paused by ${system.paused_by} since `, instant(system.paused_at), `: ${system.paused_why ?? "no reason given"}`)
  : system.open_until ? note("bad", "The breaker is open until ", instant(system.open_until), `: ${system.last_error ?? ""}`)
    : system.bears_per_second ? note("warn", `It asked for fewer calls: it gets about ${number(Math.round(system.bears_per_second))} a second, and more as it bears them.`)
      : note("good", system.failures ? `On probation after ${number(system.failures)} outages.` : "In use."));

function limits(system, me, turn) {
  const limit = (name, label, least) => {
    const input = el("input", { id: `${system.document_type}-${name}`, type: "number", min: least, step: least, value: system[name] ?? "", placeholder: "no limit", disabled: !me.may.act });
    return [input, el("div", { class: "field" }, el("label", { for: input.id }, label), input)];
  };
  const [inFlight, inFlightField] = limit("most_in_flight", "Most in flight", 1);
  const [perSecond, perSecondField] = limit("most_per_second", "Most per second", 0.1);
  const said = (input) => (input.value ? Number(input.value) : null);
  const set = (event) => {
    event.preventDefault();
    turn({ most_in_flight: said(inFlight), most_per_second: said(perSecond) });
  };
  return el("form", { class: "limits", onsubmit: set }, inFlightField, perSecondField, me.may.act ? el("button", { class: "plain", type: "submit" }, "Set limits") : null);
}
