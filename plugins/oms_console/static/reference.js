// Reference data and document configurations: what OMS accepts, and how a document is made.
import { get, post, put } from "./api.js";
import { form } from "./dialog.js";
import { el, empty, fill, note, say } from "./dom.js";
import { at } from "./links.js";

const TYPES = ["SOURCE_SYSTEM", "DOCUMENT_TYPE", "DOCUMENT_NAME", "DOCUMENT_LANGUAGE", "METADATA_KEY", "APP_DOC_SPEC", "FOOTER_ID", "DOC_CONFIG_CODE"];
const DATES = [["effectFromDat", "In force from", "date"], ["effectToDat", "until", "date"]];
const CONFIGURATION = [["footerId", "Footer"], ["appDocSpec", "Document"], ["code", "Code"], ["value", "Value"], ...DATES];
const VALUE = [["refDataValue", "Value"], ["description", "Description"], ...DATES];

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
  const show = async () => {
    const rows = await get(`reference/${kind}?type=${type}`);
    const line = (row) => el("tr", {}, fields.map(([name, label]) => el("td", { "data-label": label }, row[name] ?? "–")),
      me.may.edit ? el("td", {}, row.editable === false ? null : el("button", { class: "plain", onclick: () => edit(row) }, "Change")) : null);
    fill(list, rows.length ? el("table", { class: "cards" }, el("thead", {}, el("tr", {}, fields.map(([, label]) => el("th", { scope: "col" }, label)), me.may.edit ? el("th") : null)),
      el("tbody", {}, rows.map(line))) : empty("None is in force", "Add the first one."));
  };
  fill(page, el("div", { class: "title" }, el("h1", {}, "Reference data"), me.may.edit ? el("button", { class: "main", onclick: () => edit(null) }, "Add …") : null), pick,
    me.may.edit ? null : note("quiet", "Your Airflow role may read this; changing it needs the right to change Variables."), list);
  await show();
}
