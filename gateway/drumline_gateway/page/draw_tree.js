// A value as a tree, with what the last superstep changed marked.

import { changes, isBranch, pathKey } from "./diff.js";
import { el, replace } from "./dom.js";
import { textOf } from "./messages.js";

const CHILDREN_MAX = 100;
const TEXT_MAX = 1500;
const OPEN_DEPTH = 2;
const PREVIEW_MAX = 60;

export class Tree {
  #open = new Map(); // path key -> whether a person opened or closed it
  #drawn = null;

  constructor(label = "State") {
    this.body = el("div", { class: "tree", role: "group", "aria-label": label, tabindex: "0" });
    this.draw({ before: undefined, now: undefined });
  }

  // values: {before, now}
  draw(values) {
    if (this.#drawn === values) return;
    this.#drawn = values;
    if (values.now === undefined || values.now === null) {
      replace(this.body, el("p", { class: "empty" }, "There is no state yet."));
      return;
    }
    const marks = changes(values.before, values.now);
    const top = isBranch(values.now) ? this.#children(values.now, [], marks) : [el("li", {}, leaf(values.now))];
    replace(this.body, el("ul", {}, top));
  }

  #children(value, path, marks) {
    const keys = Object.keys(value);
    const from = Array.isArray(value) ? Math.max(0, keys.length - CHILDREN_MAX) : 0;
    const shown = keys.slice(from, from + CHILDREN_MAX).map((key) => this.#item(key, value[key], [...path, key], marks));
    const left = keys.length - shown.length;
    if (left > 0) {
      const more = el("li", { class: "soft" }, Array.isArray(value) ? `… ${left} before these` : `… and ${left} more`);
      if (Array.isArray(value)) shown.unshift(more);
      else shown.push(more);
    }
    return shown;
  }

  #item(key, value, path, marks) {
    const id = pathKey(path);
    const mark = marks.get(id) ?? "";
    const name = [el("span", { class: "key" }, key), ": "];
    const sign = mark === "new" || mark === "changed" ? el("span", { class: "mark" }, mark) : null;
    const kind = mark === "new" || mark === "changed" ? `is-${mark}` : "";
    if (!isBranch(value) || Object.keys(value).length === 0) {
      return el("li", { class: kind }, el("span", { class: "row" }, name, leaf(value)), sign);
    }
    const open = this.#open.get(id) ?? (path.length < OPEN_DEPTH || mark !== "");
    const body = el("ul", {});
    const fill = () => replace(body, this.#children(value, path, marks));
    const whole = el("details", { open },
      el("summary", {}, name, el("span", { class: "none" }, countOf(value)), sign), body);
    whole.addEventListener("toggle", () => {
      if (whole.open && !body.childElementCount) fill();
    });
    whole.firstChild.addEventListener("click", () => this.#open.set(id, !whole.open));
    if (open) fill();
    return el("li", { class: kind }, whole);
  }
}

function countOf(value) {
  const count = Object.keys(value).length;
  if (Array.isArray(value)) return `[${count}]`;
  const kind = value.type ?? value.role; // of a message, whose text is what a person looks for
  if (typeof kind !== "string" || !("content" in value)) return `{${count}}`;
  const text = textOf(value.content);
  return `${kind}: ${text.length > PREVIEW_MAX ? `${text.slice(0, PREVIEW_MAX)}…` : text}`;
}

function leaf(value) {
  if (typeof value === "string") {
    return el("span", { class: "text" }, value.length > TEXT_MAX ? `"${value.slice(0, TEXT_MAX)}…"` : `"${value}"`);
  }
  if (typeof value === "number") return el("span", { class: "number" }, String(value));
  return el("span", { class: "none" }, isBranch(value) ? countOf(value) : String(value));
}
