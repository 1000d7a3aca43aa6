// @ts-check
// Light and dark as Airflow's own UI has it: same origin, so its choice can be read and followed. No module: it runs
// before the page is drawn, so that nothing flashes.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let chosen = "system";
    try {
      chosen = localStorage.getItem("theme") ?? "system";
    } catch {
      /* storage is closed to us */
    }
    const isDark = chosen === "dark" || (chosen !== "light" && system.matches);
    document.documentElement.classList.toggle("dark", isDark);
  };
  apply();
  window.addEventListener("storage", apply);
  system.addEventListener("change", apply);
})();
