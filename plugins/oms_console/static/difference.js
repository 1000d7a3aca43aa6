// @ts-check
// What a change has changed: a value before and after, line by line.
import { el } from "./dom.js";

/** @param {any} value */
const shown = (value) => (value === undefined || value === null ? "–" : JSON.stringify(value));

/**
 * The names whose values differ.
 * @param {{ before?: any, after?: any }} change
 */
export const changedNames = ({ before, after }) =>
  [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].filter(
    (name) => shown(before?.[name]) !== shown(after?.[name]),
  );

/** @param {{ before?: any, after?: any }} change */
export const difference = (change) =>
  changedNames(change).map((name) =>
    el("p", { class: "long small" }, `${name}: ${shown(change.before?.[name])} → ${shown(change.after?.[name])}`),
  );
