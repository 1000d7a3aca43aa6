// @ts-check
// The contract in Swagger UI, light or dark as the browser's system is.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
paint();
dark.addEventListener("change", paint);

/** Name the fields for screen readers: Swagger UI leaves some without a label. */
function nameFields() {
  for (const field of document.querySelectorAll("select:not([aria-label]), textarea:not([aria-label])")) {
    const parameter = field.closest("[data-param-name]")?.getAttribute("data-param-name");
    const other = field.id === "servers" ? "Server" : field.matches("textarea") ? "Request body" : "Media type";
    field.setAttribute("aria-label", parameter ?? other);
  }
}

addEventListener("DOMContentLoaded", () => {
  const docs = /** @type {Element} */ (document.getElementById("docs"));
  new MutationObserver(nameFields).observe(docs, { childList: true, subtree: true });
  const { SwaggerUIBundle } = /** @type {any} */ (window);
  SwaggerUIBundle({ url: "/openapi.json", domNode: docs, validatorUrl: null });
});
