// Reference data and document configurations: what OMS accepts, and how a document is made.
import { get, post, put, remove } from "./api.js";
import { confirmed, form } from "./dialog.js";
import { el, empty, fill, note, say } from "./dom.js";
import { at } from "./links.js";

const TYPES = ["SOURCE_SYSTEM", "DOCUMENT_TYPE", "DOCUMENT_NAME", "DOCUMENT_LANGUAGE", "METADATA_KEY", "APP_DOC_SPEC", "FOOTER_ID", "DOC_CONFIG_CODE"];
const DATES = [["effectFromDat", "In force from", "date"], ["effectToDat", "until", "date"]];
const CONFIGURATION = [["footerId", "Footer"], ["appDocSpec", "Document"], ["code", "Code"], ["value", "Value"], ...DATES];
const VALUE = [["refDataValue", "Value"], ["description", "Description"], ...DATES];

const isOver = (row) => row.effectToDat <= new Date().toISOString().slice(0, 10);

export async function reference(page, { me }) {
  const type = new URLSearchParams(location.search).get("type") ?? "";
  const kind = TYPES.includes(type) ? "reference-data" : "document-configurations";
  const fields = kind === "reference-data" ? VALUE : CONFIGURATION;
  const pick = el("nav", { class: "pick", "aria-label": "Kinds" }, ["", ...TYPES].map((one) =>
    el("a", { class: "button plain", href: at("reference", { type: one }), "aria-current": one === (TYPES.includes(type) ? type : "") ? "true" : undefined }, one ? one.replaceAll("_", " ").toLowerCase() : "document configurations")));
  const list = el("div");
  const edit = async (row) => {
    const said = await form(row ? "Change" : "Add", fields, row ?? {});
    if (!said) return;
    const body = { ...(kind === "reference-data" ? { refDataType: type } : {}), ...said };
    try {
      await (row ? put(`reference/${kind}/${row.id}`, body) : post(`reference/${kind}`, body));
      say("Kept. It counts within seconds.");
      await show();
    } catch (error) { say(error.message); }
  };
  const end = async (row) => {
    const title = `End ${row.refDataValue ?? `${row.code} of ${row.appDocSpec}`} today?`;
    const text = el("p", {}, "From today on it no longer counts. It stays on record, and what was made with it stays as it is.");
    if (!(await confirmed(title, text, "End"))) return;
    try {
      await remove(`reference/${kind}/${row.id}`);
      say("Ended. It counts within seconds.");
      await show();
    } catch (error) { say(error.message); }
  };
  const buttons = (row) => (row.editable === false ? null : el("div", { class: "buttons" }, el("button", { class: "plain", onclick: () => edit(row) }, "Change"),
    isOver(row) ? null : el("button", { class: "plain", onclick: () => end(row) }, "End …")));
  const show = async () => {
    const rows = await get(`reference/${kind}?type=${type}`);
    const line = (row) => el("tr", {}, fields.map(([name, label]) => el("td", { "data-label": label }, row[name] ?? "–")),
      me.may.edit ? el("td", {}, buttons(row)) : null);
    fill(list, rows.length ? el("table", { class: "cards" }, el("thead", {}, el("tr", {}, fields.map(([, label]) => el("th", { scope: "col" }, label)), me.may.edit ? el("th") : null)),
      el("tbody", {}, rows.map(line))) : empty("None is in force", "Add the first one."));
  };
  fill(page, el("div", { class: "title" }, el("h1", {}, "Reference data"), me.may.edit ? el("button", { class: "main", onclick: () => edit(null) }, "Add …") : null), pick,
    me.may.edit ? null : note("quiet", "Your Airflow role may read this; changing it needs the right to change Variables."), list);
  await show();
}
