// @ts-check
// Counts by status over time: stacked bars for what ended, a line for what came in. Drawn by hand: it is forty lines.
import { el, svg } from "./dom.js";
import { at } from "./links.js";
import { clock } from "./times.js";
import { number } from "./words.js";

// On a phone fewer units across, so that the texts stay as large as others.
const WIDTH = document.documentElement.clientWidth < 700 ? 320 : 960;
const HEIGHT = 220;
const LEFT = 44;
const BOTTOM = 22;
const TOP = 10;
const SERIES = ["completed", "stopped", "failed"];

/**
 * The least of 1, 2, 4 · 10^n that is not below `value`: from 2 on its half is a whole number, too.
 * @param {number} value
 */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return /** @type {number} */ ([1, 2, 4, 10].map((n) => n * power).find((top) => top >= value));
}

/**
 * @param {any[]} steps
 * @param {number} stepSeconds
 */
export function chart(steps, stepSeconds) {
  const isLong = stepSeconds >= 900;
  const ended = steps.map((step) => SERIES.reduce((sum, name) => sum + Number(step[name]), 0));
  const top = niceTop(Math.max(4, ...ended, ...steps.map((step) => Number(step.accepted))));
  const y = (/** @type {number} */ value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const width = (WIDTH - LEFT) / steps.length;
  const x = (/** @type {number} */ n) => LEFT + n * width;
  const grid = [0, 0.5, 1].map((part) => [
    svg("line", { x1: LEFT, x2: WIDTH, y1: y(part * top), y2: y(part * top), class: "grid" }),
    svg("text", { x: LEFT - 6, y: y(part * top) + 4, class: "tick end" }, number(part * top)),
  ]);
  const bars = steps.map((step, n) => {
    let below = 0;
    const parts = SERIES.map((name) => {
      const from = y(below);
      below += Number(step[name]);
      return svg("rect", {
        x: x(n) + 0.5,
        y: y(below),
        width: Math.max(width - 1, 1),
        height: Math.max(from - y(below), 0),
        class: name,
      });
    });
    const counts = SERIES.map((name) => `${number(step[name])} ${name}`).join(", ");
    return svg(
      "g",
      {},
      svg("title", {}, `${clock(step.from_at, isLong)}: ${counts}, ${number(step.accepted)} handed in`),
      svg("rect", { x: x(n), y: TOP, width, height: HEIGHT - TOP - BOTTOM, class: "hover" }),
      parts,
    );
  });
  const points = steps.map((step, n) => `${x(n) + width / 2},${y(Number(step.accepted))}`).join(" ");
  const every = Math.ceil(steps.length / (WIDTH / 130));
  const times = steps.map((step, n) =>
    n % every || n > steps.length - every / 2
      ? null
      : svg("text", { x: x(n), y: HEIGHT - 5, class: "tick" }, clock(step.from_at, isLong)),
  );
  const sum = (/** @type {string} */ name) => number(steps.reduce((total, step) => total + Number(step[name]), 0));
  const since = steps[0].from_at;
  /** The requests that a sum counts. @param {string} name */
  const counted = (name) =>
    name === "accepted" ? { created_from: since } : { status: name.toUpperCase(), ended_from: since, order: "ended" };
  const legend = el(
    "ul",
    { class: "legend" },
    ["accepted", ...SERIES].map((name) =>
      el(
        "li",
        { class: name },
        `${name === "accepted" ? "handed in" : name} `,
        el("a", { href: at("search", counted(name)) }, sum(name)),
      ),
    ),
  );
  const label =
    `In this time ${sum("accepted")} requests were handed in, ${sum("completed")} were completed, ` +
    `${sum("failed")} failed, ${sum("stopped")} were stopped.`;
  return el(
    "figure",
    {},
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "chart" },
      grid,
      bars,
      svg("polyline", { class: "accepted", points }),
      times,
    ),
    el("figcaption", {}, legend),
  );
}
