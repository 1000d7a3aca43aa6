// Asking before acting, and telling what came of it. A <dialog>: the frame allows no confirm().
import { el } from "./dom.js";
import { requestLink } from "./links.js";
import { plural } from "./words.js";

/** A form, so that Enter goes on as the button does; it is sent nowhere. `stay`: what leaves it. */
function open(title, content, go, stay) {
  const dialog = el("dialog", { "aria-label": title }, el("form", { onsubmit: (event) => { event.preventDefault(); dialog.close("go"); } },
    el("h2", {}, title), content, el("div", { class: "buttons" },
      stay ? el("button", { type: "button", class: "plain", onclick: () => dialog.close() }, stay) : null,
      el("button", { class: "main", autofocus: !content.querySelector("input"), type: "submit" }, go))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Resolves to whether the operator goes on. */
export function confirmed(title, content, go) {
  return new Promise((resolve) => {
    const dialog = open(title, content, go, "Leave it");
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "go"));
  });
}

/** The result for each request, until it is closed. */
export function showResults(results) {
  const done = results.filter((row) => row.done).length;
  const rows = results.map((row) =>
    el("tr", {}, el("td", {}, requestLink(row.request_id)), el("td", { class: row.done ? "good" : "" }, row.result)));
  const content = el("div", {},
    el("p", {}, `${plural(done, "request")} done, ${results.length - done} left alone.`),
    el("div", { class: "scroll" }, el("table", {}, el("tbody", {}, rows.slice(0, 1000)))),
    rows.length > 1000 ? el("p", { class: "quiet" }, `The first 1,000 of ${rows.length} are shown.`) : null);
  return new Promise((resolve) => {
    const dialog = open("What came of it", content, "Close");
    dialog.addEventListener("close", resolve);
  });
}

/** Resolves to what was typed, or null. `known` is offered. */
export function asked(title, label, go, known = []) {
  return new Promise((resolve) => {
    const input = el("input", { id: "asked", maxLength: 500, autofocus: true, required: true, list: known.length ? "known" : undefined });
    const dialog = open(title, el("div", {}, el("label", { for: "asked" }, label), input,
      el("datalist", { id: "known" }, known.map((value) => el("option", { value })))), go, "Leave it");
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "go" ? input.value : null));
  });
}

/** Resolves to what was typed for `fields` ([name, label, type]), without what was left empty; or null. */
export function form(title, fields, known) {
  return new Promise((resolve) => {
    const inputs = fields.map(([name, label, type]) => [name, label, el("input", { id: `form-${name}`, type: type ?? "text", value: known[name] ?? "", maxLength: type ? undefined : 4000 })]);
    const dialog = open(title, el("div", {}, inputs.map(([, label, input]) => el("div", { class: "field" }, el("label", { for: input.id }, label), input))), "Keep", "Leave it");
    const said = () => Object.fromEntries(inputs.map(([name, , input]) => [name, input.value]).filter(([, value]) => value !== ""));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "go" ? said() : null));
  });
}
