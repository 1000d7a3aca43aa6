// The dial of each outside system: paused or not, and how much at once.
import { get, put } from "./api.js";
import { asked } from "./dialog.js";
import { el, fill, note, say } from "./dom.js";
import { instant, number } from "./words.js";

export async function dial(page, { me }) {
  const list = el("div", { class: "columns" });
  fill(page, el("h1", {}, "Outside systems"), el("p", { class: "quiet" }, "All slices share these. Paused: nothing is claimed that needs the system, and nothing is lost. Who turned what stands in Airflow's audit log."),
    me.may.act ? null : note("quiet", "Your Airflow role may look, but not turn."), list);
  const show = (systems) => fill(list, systems.map((system) => card(system, me, show)));
  show(await get("systems"));
}

function card(system, me, show) {
  const limit = (name, label) => {
    const input = el("input", { id: `${system.system}-${name}`, type: "number", min: name === "most_in_flight" ? 1 : 0.1, step: name === "most_in_flight" ? 1 : 0.1,
      value: system[name] ?? "", placeholder: "no limit", disabled: !me.may.act });
    return [input, el("div", { class: "field" }, el("label", { for: input.id }, label), input)];
  };
  const [inFlight, inFlightField] = limit("most_in_flight", "Most in flight");
  const [perSecond, perSecondField] = limit("most_per_second", "Most per second");
  const turn = async (change) => {
    const body = { document_type: system.document_type, paused: Boolean(system.paused_at), why: system.paused_why, most_in_flight: system.most_in_flight, most_per_second: system.most_per_second, ...change };
    try { show(await put(`systems/${system.system}`, body)); say("Turned."); } catch (error) { say(error.message); }
  };
  const pause = async () => {
    const why = await asked(`Pause ${system.system}?`, "Why? The next operator will want to know.", "Pause");
    if (why) turn({ paused: true, why });
  };
  const limits = (event) => {
    event.preventDefault();
    turn({ most_in_flight: inFlight.value ? Number(inFlight.value) : null, most_per_second: perSecond.value ? Number(perSecond.value) : null });
  };
  const state = system.paused_at ? note("warn", `Paused by ${system.paused_by} since `, instant(system.paused_at), `: ${system.paused_why ?? "no reason given"}`)
    : system.open_until ? note("bad", "The breaker is open until ", instant(system.open_until), `: ${system.last_error ?? ""}`)
      : note("good", system.failures ? `On probation after ${number(system.failures)} outages.` : "In use.");
  return el("section", {}, el("div", { class: "title" }, el("h2", {}, system.document_type === "*" ? system.system : `${system.system}, ${system.document_type}`),
    me.may.act ? el("button", { class: "plain", onclick: system.paused_at ? () => turn({ paused: false, why: null }) : pause }, system.paused_at ? "Resume" : "Pause …") : null), state,
  el("form", { class: "limits", onsubmit: limits }, inFlightField, perSecondField, me.may.act ? el("button", { class: "plain", type: "submit" }, "Set limits") : null));
}
