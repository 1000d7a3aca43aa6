// @ts-check
// Reference data, document configurations and schemas: accepted values, each document's settings, and its content.
import { change, get } from "./api.js";
import { ask, tellAll } from "./dialog.js";
import { difference } from "./difference.js";
import { draw, el, empty, fill, note, plainButton, say } from "./dom.js";
import { at } from "./links.js";
import { keepFresh } from "./refresh.js";
import { table } from "./table.js";
import { instant } from "./times.js";
import { number } from "./words.js";

const TYPES = [
  "SOURCE_SYSTEM",
  "DOCUMENT_TYPE",
  "DOCUMENT_NAME",
  "DOCUMENT_LANGUAGE",
  "METADATA_KEY",
  "APP_DOC_SPEC",
  "FOOTER_ID",
  "DOC_CONFIG_CODE",
];
const DATES = [
  { name: "effectFromDat", label: "In force from", type: "date", help: "Empty: today." },
  {
    name: "effectToDat",
    label: "In force until",
    type: "date",
    help: "The first day on which it is no longer in force. Empty: no end.",
  },
];
/** @type {Record<string, Record<string, string>>} what each field of a kind is chosen from */
const LISTS = {
  "document-configurations": { footerId: "FOOTER_ID", appDocSpec: "APP_DOC_SPEC", code: "DOC_CONFIG_CODE" },
  "document-schemas": { documentName: "DOCUMENT_NAME" },
  "source-system-quotas": { sourceSystem: "SOURCE_SYSTEM" },
};
// Shown beside the reference types, though they are kinds of their own.
const SCHEMAS = "DOCUMENT_SCHEMA";
const QUOTAS = "SOURCE_SYSTEM_QUOTA";
/** @type {Record<string, string>} */
const KINDS = { "": "document-configurations", [SCHEMAS]: "document-schemas", [QUOTAS]: "source-system-quotas" };
const CONFIGURATION = [
  { name: "footerId", label: "Footer" },
  { name: "appDocSpec", label: "Document" },
  { name: "code", label: "Code" },
  { name: "value", label: "Value" },
  ...DATES,
];
const SCHEMA = [
  { name: "documentName", label: "Document" },
  {
    name: "mode",
    label: "Mode",
    options: ["refuse", "warn"],
    help: "refuse: a content that breaks the schema is answered 422. warn: it is stored, counted and logged.",
  },
  {
    name: "schema",
    label: "JSON Schema",
    lines: 16,
    help: "Draft 2020-12, for document_content; 64 KiB at most. $ref stays inside; patterns have no look-around.",
  },
  ...DATES,
];
const QUOTA = [
  { name: "sourceSystem", label: "Source system" },
  { name: "mostOpenRequests", label: "Most open requests", type: "number" },
  { name: "mostRequestsAnHour", label: "Most requests an hour", type: "number" },
  { name: "mostBytesAnHour", label: "Most bytes an hour", type: "number", help: "Of the contents." },
  ...DATES,
];
const VALUE = [{ name: "refDataValue", label: "Value" }, { name: "description", label: "Description" }, ...DATES];
const OPTIONAL = new Set(["description", "effectFromDat", "effectToDat"]);
const NO_END = "4712-12-31";

const today = () => new Date().toISOString().slice(0, 10);
const isOver = (/** @type {any} */ row) => row.effectToDat <= today();
const nameOf = (/** @type {any} */ row) =>
  row.refDataValue ??
  row.documentName ??
  row.sourceSystem ??
  `${row.code} of ${row.appDocSpec} with footer ${row.footerId}`;

/** What says the same about the same thing. */
const isSameThing = (/** @type {any} */ a, /** @type {any} */ b) =>
  ["refDataValue", "documentName", "sourceSystem"].some((name) => a[name] !== undefined)
    ? a.refDataValue === b.refDataValue && a.documentName === b.documentName && a.sourceSystem === b.sourceSystem
    : a.footerId === b.footerId && a.appDocSpec === b.appDocSpec && a.code === b.code;

const textOf = (/** @type {any} */ row) =>
  row.value ?? row.description ?? row.mode ?? `${number(row.mostRequestsAnHour)} requests an hour`;

/**
 * The rows that a new row ends on its first day.
 * @param {any[]} rows
 * @param {any} said
 */
export function endedBy(rows, said) {
  const from = said.effectFromDat || today();
  const to = said.effectToDat || NO_END;
  return rows.filter(
    (row) =>
      isSameThing(row, said) && row.effectFromDat < to && row.effectToDat > from && row.effectFromDat < row.effectToDat,
  );
}

const isNumber = (/** @type {any} */ field) => field.type === "number";

/**
 * A schema as it was typed.
 * @param {string} text
 */
function read(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The schema is no JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {any} row what of a row can be written */
const content = ({ id: _id, ...row }) => row;

/**
 * @param {Element} page
 * @param {{ me: any }} who
 */
export async function reference(page, { me }) {
  const asked = new URLSearchParams(location.search).get("type") ?? "";
  const areSchemas = asked === SCHEMAS;
  const type = TYPES.includes(asked) ? asked : "";
  const own = asked in KINDS ? asked : "";
  const kind = type ? "reference-data" : KINDS[own];
  const fields = /** @type {any[]} */ (type ? VALUE : { "": CONFIGURATION, [SCHEMAS]: SCHEMA, [QUOTAS]: QUOTA }[own]);
  const path = `reference/${kind}`;
  const pick = el(
    "nav",
    { class: "pick", "aria-label": "Kinds" },
    ["", SCHEMAS, QUOTAS, ...TYPES].map((one) =>
      el(
        "a",
        {
          class: "button plain",
          href: at("reference", { type: one }),
          "aria-current": one === (own || type) ? "true" : undefined,
        },
        (KINDS[one] ?? one).replaceAll(/[-_]/g, " ").toLowerCase(),
      ),
    ),
  );
  const list = el("div");
  /** @type {any[]} */
  let rows = [];

  const show = async () => {
    rows = await get(`${path}?type=${type}`);
    const columns = [
      ...fields.map(({ name, label }) => ({
        head: label,
        kind: "wrap",
        cell: (/** @type {any} */ row) => (name === "schema" ? `${number(row.sizeBytes)} bytes` : row[name]),
      })),
      { head: "", cell: buttons },
    ];
    draw(
      list,
      rows.length
        ? table(columns, rows, { key: (row) => row.id, label: "Rows" })
        : empty("None is in force", "Add the first one."),
    );
  };
  /** @param {any} row the whole row: a list has no schemas */
  const whole = (row) => (areSchemas ? get(`${path}/${row.id}`) : row);
  /** @param {any} row @param {any} seen */
  const put = (row, seen) => change("PUT", `${path}/${row.id}`, { row: content(row), seen });
  /** @param {any} seen */
  const end = (seen) => change("DELETE", `${path}/${seen.id}`, { seen });
  /** @param {string} text @param {() => Promise<any>} undo */
  const kept = async (text, undo) => {
    await show();
    say(text, async () => {
      try {
        await undo();
        say("Undone.");
      } catch (error) {
        say(/** @type {Error} */ (error).message);
      }
      await show();
    });
  };
  const lists = async () =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(LISTS[kind] ?? {}).map(async ([name, of]) => [
          name,
          (await get(`reference/reference-data?type=${of}`)).map((/** @type {any} */ row) => row.refDataValue),
        ]),
      ),
    );

  /** @param {any} listed null: a new one */
  const edit = async (listed) => {
    const row = listed && (await whole(listed));
    const options = await lists();
    const said = (/** @type {any} */ values) => ({
      ...(type ? { refDataType: type } : {}),
      ...Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "")),
      ...(areSchemas ? { schema: read(values.schema) } : {}),
      ...Object.fromEntries(fields.filter(isNumber).map(({ name }) => [name, Number(values[name])])),
    });
    const tell = (/** @type {any} */ values) =>
      row
        ? null
        : endedBy(rows, values).map((old) =>
            note(
              "warn",
              `Ends row ${old.id} (${nameOf(old)}: ${textOf(old)}) from ${values.effectFromDat || "today"}.`,
            ),
          );
    const act = async (/** @type {any} */ values) => {
      if (row) return { row: await change("PUT", `${path}/${row.id}`, { row: said(values), seen: row }) };
      const ended = await Promise.all(endedBy(rows, values).map(whole));
      return { ended, row: await change("POST", path, said(values)) };
    };
    const done = await ask({
      title: row ? `Change ${nameOf(row)}` : "Add a row",
      go: row ? "Change" : "Add",
      tell,
      act,
      fields: fields.map((field) => ({
        ...field,
        value: field.name === "schema" && row ? JSON.stringify(row.schema, null, 2) : row?.[field.name],
        options: options[field.name] ?? /** @type {any} */ (field).options,
        required: !OPTIONAL.has(field.name),
      })),
    });
    if (!done) return;
    await kept(row ? "Changed. It is in force within seconds." : "Added. It is in force within seconds.", async () => {
      if (row) return put(row, done.row);
      await end(done.row);
      for (const old of done.ended) await put(old, await get(`${path}/${old.id}`));
      return null;
    });
  };
  /** @param {any} listed */
  const stop = async (listed) => {
    const row = await whole(listed);
    const done = await ask({
      title: `End ${nameOf(row)} today?`,
      go: "End",
      act: async () => (await end(row)) ?? true,
      content: el(
        "p",
        {},
        "From today on, it is not in force. It stays on record, and documents made with it do not change.",
      ),
    });
    if (done)
      await kept("Ended. This is in force within seconds.", async () => put(row, await get(`${path}/${row.id}`)));
  };
  /** @param {any} row */
  const history = async (row) => {
    const entries = await get(`${path}/${row.id}/history`);
    await tellAll(
      `History of ${nameOf(row)}`,
      entries.length
        ? table(
            [
              { head: "When", cell: (/** @type {any} */ entry) => instant(entry.at) },
              { head: "By", cell: (/** @type {any} */ entry) => entry.changed_by },
              { head: "Change", cell: difference },
            ],
            entries,
          )
        : el("p", {}, "There is no change in its history."),
    );
  };
  /** @param {any} row */
  const buttons = (row) => {
    const mayEdit = row.editable !== false && me.may.edit;
    return el(
      "div",
      { class: "buttons" },
      plainButton("History", () => history(row), { "aria-label": `History of ${nameOf(row)}` }),
      mayEdit ? plainButton("Change", () => edit(row), { "aria-label": `Change ${nameOf(row)}` }) : null,
      mayEdit && !isOver(row) ? plainButton("End …", () => stop(row), { "aria-label": `End ${nameOf(row)}` }) : null,
    );
  };

  fill(
    page,
    el(
      "div",
      { class: "title" },
      el("h1", {}, "Reference data"),
      me.may.edit ? el("button", { class: "main", type: "button", onclick: () => edit(null) }, "Add …") : null,
    ),
    pick,
    me.may.edit
      ? null
      : note("quiet", "Your Airflow role may read this; changing it needs the right to change Variables."),
    list,
  );
  await keepFresh(show, 10);
}
