// Keeping a view fresh, but only while somebody looks at it.
import { say } from "./dom.js";

/** Run `show` now and every `seconds` while the page is visible, nothing on it is unfolded and `isBusy` says no. What
 * fails later is said, and tried again; what fails at once is the caller's to show, until it succeeds. */
export function keepFresh(show, seconds, isBusy = () => false) {
  let isRunning = false;
  const tick = async () => {
    if (isRunning || document.visibilityState !== "visible" || isBusy() || document.querySelector("dialog[open], details[open]")) return;
    isRunning = true;
    try { await show(); } catch (error) { say(error.message); } finally { isRunning = false; }
  };
  setInterval(tick, seconds * 1000);
  document.addEventListener("visibilitychange", tick);
  return show();
}

/** Remembers what was shown last and says whether this is any different: what is not drawn again keeps the focus. What
 * waits is told as a wait from now, so it is always news. */
export function news() {
  let last;
  return (shown) => {
    const now = JSON.stringify(shown);
    const isNews = now !== last || now.includes('"due_at":"');
    last = now;
    return isNews;
  };
}
