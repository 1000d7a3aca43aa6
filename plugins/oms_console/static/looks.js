// @ts-check
// Looks at personal data: each is asked for, and each is an entry in the request's timeline.
import { send } from "./api.js";
import { el, fill, note, plainButton, say } from "./dom.js";
import { parse, pretty } from "./json.js";
import { isFramed } from "./links.js";

/** @type {Record<string, string>} */
const EXTENSIONS = { json: "json", xml: "xml", pdf: "pdf", metadata: "metadata.json" };

/**
 * @param {any} id of the request
 * @param {string} what
 * @param {number} [attempt] whose XML or document; the last one without it
 */
export const lookAt = (id, what, attempt) =>
  send("POST", `requests/${id}/looks`, attempt ? { what, attempt } : { what });

/**
 * Documents in the browser's own viewer, side by side. The viewer runs no script of a document in this page. A browser
 * has no viewer in a frame with a sandbox, as Airflow's around the console is: there they stand above Airflow's page.
 * @param {Element} place where they stand without a frame
 * @param {{ blob: Blob, title: string }[]} documents
 */
export function showPdfs(place, documents) {
  const frames = (/** @type {Document} */ page) =>
    documents.map(({ blob, title }) => {
      const frame = page.createElement("iframe");
      Object.assign(frame, { className: "pdf", title, src: URL.createObjectURL(blob) });
      return frame;
    });
  if (!isFramed) return fill(place, el("div", { class: "columns" }, frames(document)));
  const outer = window.parent.document;
  const dialog = outer.createElement("dialog");
  dialog.ariaLabel = documents.map(({ title }) => title).join(", ");
  const close = outer.createElement("button");
  Object.assign(close, { textContent: "Close", type: "button", onclick: () => dialog.close() });
  const row = outer.createElement("div");
  row.append(...frames(outer));
  dialog.append(close, row);
  // Airflow's page does not have the console's styles.
  Object.assign(dialog.style, { width: "94vw", height: "94vh", padding: "8px", margin: "auto" });
  Object.assign(close.style, { padding: "4px 12px", marginBottom: "8px", border: "1px solid", borderRadius: "6px" });
  Object.assign(row.style, { display: "flex", gap: "8px", height: "calc(100% - 48px)" });
  for (const frame of row.children) Object.assign(/** @type {HTMLElement} */ (frame).style, { flex: "1" });
  dialog.addEventListener("close", () => dialog.remove());
  outer.body.append(dialog);
  dialog.showModal();
}

/**
 * @param {any} shown
 * @param {any} me
 * @param {() => void} changed
 * @param {Element} place where a text that was asked for stands
 */
export function personal(shown, me, changed, place) {
  if (!me.may.act)
    return note("quiet", "Payload, metadata, error texts and document are personal data. Your role may not see them.");
  const look = async (/** @type {string} */ what, /** @type {boolean} */ isSaved) => {
    try {
      const answer = await lookAt(shown.request_id, what);
      if (isSaved) save(await answer.blob(), `request-${shown.request_id}.${EXTENSIONS[what]}`);
      else if (what === "pdf")
        showPdfs(place, [{ blob: await answer.blob(), title: `The document of request ${shown.request_id}` }]);
      else
        fill(place, el("pre", { tabIndex: 0, role: "region", "aria-label": what }, laidOut(await answer.text(), what)));
      changed();
    } catch (error) {
      say(/** @type {Error} */ (error).message);
    }
  };
  const button = (/** @type {string} */ text, /** @type {string} */ what, /** @type {boolean} */ isSaved, can = true) =>
    plainButton(text, () => look(what, isSaved), { disabled: !can });
  const hasBatch = shown.batches.length > 0;
  const hasDocument = shown.batches.some((/** @type {any} */ batch) => batch.dms_document_id);
  return [
    el(
      "p",
      { class: "quiet" },
      "Personal data. Each look is an entry in the timeline, with your name.",
      shown.metadata_keys.length ? ` Metadata: ${shown.metadata_keys.join(", ")}.` : "",
    ),
    el(
      "div",
      { class: "bar" },
      button("Show metadata", "metadata", false, shown.metadata_keys.length > 0),
      button("Show JSON", "json", false, shown.has_content),
      button("Show error texts", "errors", false, shown.errors.length > 0),
      button("Show XML", "xml", false, hasBatch),
      button("Show PDF", "pdf", false, hasDocument),
      button("Download JSON", "json", true, shown.has_content),
      button("Download XML", "xml", true, hasBatch),
      button("Download PDF", "pdf", true, hasDocument),
    ),
  ];
}

/**
 * @param {string} text
 * @param {string} what
 */
function laidOut(text, what) {
  if (what === "metadata")
    return Object.entries(parse(text))
      .map(([key, value]) => `${key}: ${value}`)
      .join("\n");
  if (what === "errors")
    return parse(text)
      .map((/** @type {any} */ one) => `${one.at} attempt ${one.attempt}, ${one.category}: ${one.description}`)
      .join("\n");
  return what === "json" ? pretty(text) : text;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
