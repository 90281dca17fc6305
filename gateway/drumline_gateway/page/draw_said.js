// What nodes say: tokens as they come, in a column for each node; progress as bars; other custom events as they are.

import { el, replace } from "./dom.js";
import { isOpen } from "./bounds.js";

export class Columns {
  #columns = new Map();
  #shown = new Map();
  #state = null;

  constructor() {
    this.body = el("div", { class: "columns" });
    this.empty = el("p", { class: "empty" }, "No node has said anything yet.");
    this.whole = el("div", {}, this.empty, this.body);
  }

  draw(state) {
    if (this.#state?.messages === state.messages && this.#state?.tasks === state.tasks) return;
    if (this.#state && !this.#state.spoken.every((id) => state.messages[id])) this.#clear(); // it was wound back
    this.#state = state;
    this.empty.hidden = state.columns.length > 0;
    for (const node of state.columns) if (!this.#columns.has(node)) this.#add(node);
    for (const id of state.spoken) this.#message(id, state.messages[id]);
    for (const [node, column] of this.#columns) {
      const tasks = state.order.map((id) => state.tasks[id]).filter((task) => task.path === node);
      const open = tasks.find(isOpen);
      const typing = state.spoken.some((id) => state.messages[id].node === node && state.messages[id].typing);
      column.status.textContent = typing ? "typing…" : open ? "at work" : "";
      column.said.setAttribute("aria-busy", String(typing));
    }
  }

  #clear() {
    this.#columns.clear();
    this.#shown.clear();
    replace(this.body);
  }

  #add(node) {
    const status = el("span", { class: "soft" });
    const said = el("div", { class: "said", role: "log", "aria-label": `What ${node} says`, tabindex: "0" });
    this.#columns.set(node, { status, said });
    this.body.append(el("section", { class: "column", "aria-label": node }, el("h3", {}, el("span", {}, node), status), said));
  }

  #message(id, message) {
    const known = this.#shown.get(id);
    if (known?.message === message) return;
    const shown = known ?? this.#begin(message);
    this.#shown.set(id, shown);
    shown.message = message;
    const { said } = this.#columns.get(message.node);
    const atEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 24;
    if (shown.thought.textContent !== message.thought) shown.thought.textContent = message.thought;
    if (shown.text.data !== message.text) {
      if (message.text.startsWith(shown.text.data)) shown.text.appendData(message.text.slice(shown.text.data.length));
      else shown.text.data = message.text;
    }
    shown.call.textContent = message.tools.map((tool) => `${tool.name}(${tool.args})`).join("\n");
    shown.caret.hidden = !message.typing;
    shown.box.setAttribute("class", message.taken ? "taken" : "");
    if (message.taken) shown.box.setAttribute("title", "The attempt that said this was taken back.");
    else shown.box.removeAttribute("title");
    if (atEnd) said.scrollTop = said.scrollHeight;
  }

  #begin(message) {
    const text = document.createTextNode("");
    const caret = el("span", { class: "caret", "aria-hidden": "true" });
    const thought = el("div", { class: "thought" });
    const call = el("div", { class: "call" });
    const box = el("div", {}, thought, text, caret, call);
    this.#columns.get(message.node).said.append(box);
    return { text, caret, thought, call, box, message: null };
  }
}

export class Events {
  #bars = new Map();
  #state = null;

  constructor() {
    this.bars = el("div", { class: "bars" });
    this.list = el("ul", { class: "events mono", "aria-label": "Custom events", tabindex: "0" });
    this.empty = el("p", { class: "empty" }, "No custom events yet.");
    this.whole = el("div", { class: "stack" }, this.empty, this.bars, this.list);
  }

  draw(state) {
    if (this.#state?.bars === state.bars && this.#state?.customs === state.customs) return;
    const newList = this.#state?.customs !== state.customs;
    this.#state = state;
    this.empty.hidden = state.bars.length + state.customs.length > 0;
    for (const bar of state.bars) this.#bar(bar);
    for (const key of this.#bars.keys()) {
      if (state.bars.some((bar) => bar.key === key)) continue;
      this.#bars.get(key).row.remove();
      this.#bars.delete(key);
    }
    if (newList) {
      this.list.hidden = state.customs.length === 0;
      replace(this.list, [...state.customs].reverse().slice(0, 50).map((event) =>
        el("li", {}, el("span", { class: "soft" }, `${event.node || "?"} `), shortOf(event.data))));
    }
  }

  #bar(bar) {
    let shown = this.#bars.get(bar.key);
    if (!shown) {
      const name = [bar.node, bar.label].filter(Boolean).join(": ") || "progress";
      const meter = el("progress", { max: "1", "aria-label": name });
      const told = el("span", { class: "soft" });
      shown = { meter, told, row: el("div", { class: "bar" }, el("span", {}, name), meter, told) };
      this.#bars.set(bar.key, shown);
      this.bars.append(shown.row);
    }
    shown.meter.value = bar.part;
    shown.meter.setAttribute("class", bar.part >= 1 ? "full" : "");
    shown.told.textContent = bar.told;
    shown.row.setAttribute("title", bar.note);
  }
}

function shortOf(data) {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
