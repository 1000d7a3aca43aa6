// @ts-check
// Looks at personal data: each is asked for, and each is an entry in the request's timeline.
import { send } from "./api.js";
import { el, fill, note, plainButton, say } from "./dom.js";
import { parse, pretty } from "./json.js";

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
 * The document in the browser's own viewer. The viewer runs no script of the document in this page.
 * @param {Blob} blob
 * @param {string} title
 */
export const pdfFrame = (blob, title) => el("iframe", { class: "pdf", title, src: URL.createObjectURL(blob) });

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
        fill(place, pdfFrame(await answer.blob(), `The document of request ${shown.request_id}`));
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
