// Start a run, by a form made from the schema of its input.

import * as api from "./api.js";
import { card, el, replace } from "./dom.js";
import { form, inputs } from "./forms.js";

export class StartView {
  constructor(app, thread = "") {
    this.app = app;
    this.place = el("div", {}, el("p", { class: "empty" }, "Looking for graphs…"));
    this.choice = el("select", { id: "graph", name: "graph" });
    this.thread = el("input", { id: "thread", name: "thread", value: thread, placeholder: "a new one", autocomplete: "off" });
    this.choice.addEventListener("change", () => this.#show());
    this.element = card("Start a run", this.place);
  }

  async open() {
    const found = await api.assistants();
    if (!found.length) {
      replace(this.place, el("p", { class: "empty" }, "No graph is served: start a coordinator with an app."));
      return;
    }
    this.fields = el("div", {});
    replace(this.place, el("div", { class: "stack" },
      el("form", {}, el("label", { for: "graph" }, "Graph", this.choice)), this.fields));
    replace(this.choice, found.map(({ graph_id: graph }) => el("option", { value: graph }, graph)));
    await this.#show();
  }

  close() {}

  async #show() {
    const graph = this.choice.value;
    replace(this.fields); // nobody fills a form that is about to go
    let schema = null;
    try {
      schema = (await api.schemas(graph)).input_schema;
    } catch {
      // the gateway does not hold the graph: the input is JSON
    }
    if (graph !== this.choice.value) return;
    const made = inputs(schema);
    const about = [
      el("label", { for: "thread" }, "Thread", el("small", {}, "the run goes on from where this thread stands"), this.thread),
    ];
    const send = (input) => this.app.start(this.thread.value.trim(), graph, { input });
    replace(this.fields, form(made, [el("button", { class: "first", type: "submit" }, "Start")], send, about));
  }
}
