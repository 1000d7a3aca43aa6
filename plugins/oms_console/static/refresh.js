// Keeping a view fresh, but only while somebody looks at it.

/** Run `show` now and every `seconds` while the page is visible and `isBusy` says no. */
export function keepFresh(show, seconds, isBusy = () => false) {
  let isRunning = false;
  const tick = async () => {
    if (isRunning || document.visibilityState !== "visible" || isBusy() || document.querySelector("dialog[open]")) return;
    isRunning = true;
    try { await show(); } finally { isRunning = false; }
  };
  setInterval(tick, seconds * 1000);
  document.addEventListener("visibilitychange", tick);
  return tick();
}
