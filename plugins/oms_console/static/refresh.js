// @ts-check
// Keeping a view fresh, but only while somebody looks at it.
import { el, fill } from "./dom.js";
import { loginLink } from "./links.js";
import { instant } from "./times.js";

let failingSince = "";

/**
 * Say above the page that what it shows is old, since when, and how to go on. The page stays.
 * @param {any} error
 */
function stale(error) {
  failingSince ||= new Date().toISOString();
  fill(
    banner(),
    el(
      "div",
      { class: "note warn", role: "status" },
      el("strong", {}, "Out of date since "),
      instant(failingSince),
      `. ${error.message} `,
      error.status === 401 ? loginLink() : null,
    ),
  );
  document.dispatchEvent(new Event("freshness"));
}

function fresh() {
  if (!failingSince) return;
  failingSince = "";
  fill(banner());
  document.dispatchEvent(new Event("freshness"));
}

const banner = () => /** @type {Element} */ (document.getElementById("banner"));

/** Since when the page could not be kept fresh; empty while it can. */
export const staleSince = () => failingSince;

/**
 * Run `show` now and every `seconds` while the page is visible and no dialog is open. What fails later is told above
 * the page, and tried again; what fails at once is the caller's to show.
 * @param {() => Promise<any>} show
 * @param {number} seconds
 */
export function keepFresh(show, seconds) {
  let isRunning = false;
  const tick = async () => {
    if (isRunning || document.visibilityState !== "visible" || document.querySelector("dialog[open]")) return;
    isRunning = true;
    try {
      await show();
      fresh();
    } catch (error) {
      stale(error);
    } finally {
      isRunning = false;
    }
  };
  setInterval(tick, seconds * 1000);
  document.addEventListener("visibilitychange", tick);
  return show();
}
