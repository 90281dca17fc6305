// A thread: its runs, its checkpoints, and from any of them another run, or a changed state.

import * as api from "./api.js";
import { badge, card, el, link, replace, table } from "./dom.js";
import { Tree } from "./draw_tree.js";
import { form } from "./forms.js";
import { parsed } from "./schema.js";

export class ThreadView {
  #graph = "";

  constructor(app, thread) {
    this.app = app;
    this.thread = thread;
    this.runs = el("div", {});
    this.history = el("div", {});
    this.detail = el("div", { class: "stack" });
    this.element = el("div", { class: "stack" },
      el("div", { class: "top" }, el("h1", {}, "Thread"), el("span", { class: "mono" }, thread),
        el("a", { href: link("start", thread) }, "Start a run on it")),
      card("Runs", this.runs), card("History", this.history), this.detail);
  }

  async open() {
    const asked = [api.threadAt(this.thread), api.runsOf(this.thread), api.history(this.thread)];
    const [thread, runs, states] = await Promise.all(asked);
    const told = [thread, ...runs].map((each) => each.metadata?.graph_id);
    this.#graph = told.find((name) => typeof name === "string") ?? "";
    replace(this.runs, table("Runs of the thread", ["run", "status", "begun"], runs.map((run) => [
      el("a", { href: link("run", this.thread, run.run_id), class: "mono" }, run.run_id), badge(run.status), timeOf(run.created_at),
    ]), "No run was on it."));
    replace(this.history, table("Checkpoints, the newest first", ["step", "by", "next", "made", ""],
      states.map((state) => this.#row(state)), "It has no checkpoint."));
  }

  close() {}

  #row(state) {
    const id = state.checkpoint.checkpoint_id ?? "";
    const about = `checkpoint of step ${state.metadata?.step}`;
    const button = (text, work) => el("button", { type: "button", "aria-label": `${text}: ${about}`, onclick: work }, text);
    const next = state.next.length ? state.next.join(", ") : "–";
    const asks = state.interrupts?.length ? badge("asked", `asks ${state.interrupts.length}`) : null;
    return [
      String(state.metadata?.step ?? ""), String(state.metadata?.source ?? ""), el("span", {}, next, " ", asks),
      el("span", { title: id }, timeOf(state.created_at)),
      el("div", { class: "buttons" }, button("Show", () => this.#show(state)), button("Edit", () => this.#edit(state)),
        button("Run from here", () => this.#fork(state))),
    ];
  }

  #show(state) {
    const tree = new Tree();
    tree.draw({ before: undefined, now: state.values });
    replace(this.detail, card(`State at step ${state.metadata?.step}`, tree.body));
    this.detail.scrollIntoView({ block: "nearest" });
  }

  async #fork(state) {
    try {
      await this.app.start(this.thread, this.#graph, { input: null, checkpoint: state.checkpoint });
    } catch (error) {
      this.app.failed(error);
    }
  }

  #edit(state) {
    const values = el("textarea", { id: "edit-values", rows: 6, spellcheck: "false" });
    values.value = "{}";
    const node = el("input", { id: "edit-node", autocomplete: "off", placeholder: "whoever wrote last" });
    const made = {
      element: el("div", { class: "stack" },
        el("label", { for: "edit-values" }, "What is written", el("small", {}, "JSON: keys of the state, as a node would return them; reducers apply"), values),
        el("label", { for: "edit-node" }, "As node", node)),
      value: () => parsed("What is written", values.value),
    };
    const send = async (written) => {
      const body = { values: written, checkpoint: state.checkpoint };
      if (node.value.trim()) body.as_node = node.value.trim();
      await api.update(this.thread, body);
      replace(this.detail);
      await this.open();
    };
    const tree = new Tree();
    tree.draw({ before: undefined, now: state.values });
    replace(this.detail, card(`Change the state of step ${state.metadata?.step}`, tree.body,
      form(made, [el("button", { class: "first", type: "submit" }, "Write"),
        el("button", { type: "button", onclick: () => replace(this.detail) }, "Leave it")], send)));
    values.focus();
  }
}

export function timeOf(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleString();
}
