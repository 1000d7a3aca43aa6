// @ts-check
// The filter of the search: in the address, in the form, in the API's bodies.

const LISTS = new Set(["status"]);
const FLAGS = new Set(["withdrawn"]);
const OF_THE_PAGE = new Set(["order", "after", "ended_at", "n"]);

/**
 * The filter as the API's bodies have it. Ids stay texts: no digit of a long one is lost.
 * @param {URLSearchParams} params
 */
export function filterOf(params) {
  /** @type {Record<string, any>} */
  const filter = {};
  for (const [name, value] of params) {
    if (OF_THE_PAGE.has(name) || value === "") continue;
    if (LISTS.has(name)) filter[name] = [...(filter[name] ?? []), value];
    else filter[name] = FLAGS.has(name) ? value === "true" : value;
  }
  return filter;
}

/**
 * The filter without the page.
 * @param {URLSearchParams} params
 */
export const withoutPage = (params) =>
  new URLSearchParams([...params].filter(([name, value]) => !OF_THE_PAGE.has(name) && value !== ""));
