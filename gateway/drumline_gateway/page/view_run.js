// A run as it goes on, or as it went: everything is drawn from its facts, once for each frame of the screen.

import * as api from "./api.js";
import { badge, card, el, link, replace, say } from "./dom.js";
import { GraphDrawing } from "./draw_graph.js";
import { Questions } from "./draw_question.js";
import { Columns, Events } from "./draw_said.js";
import { Timeline } from "./draw_timeline.js";
import { Tree } from "./draw_tree.js";
import { told } from "./gantt.js";
import { EMPTY, reduce, reduceAll } from "./reducer.js";

const KEPT_EVERY = 500; // items between states that are kept, to wind back to
const ITEMS_MAX = 50_000; // items that are kept to wind back over; of a longer run only the end is shown

export class RunView {
  #abort = new AbortController();
  #items = [];
  #kept = [EMPTY];
  #state = EMPTY; // of all items
  #count = 0; // items in it
  #shown = null; // how many of them are shown; null: all, as they come
  #buffer = [];
  #scheduled = false;
  #arrived = 0;
  #status = "";

  constructor(app, thread, run) {
    this.app = app;
    this.thread = thread;
    this.run = run;
    this.graph = new GraphDrawing();
    this.columns = new Columns();
    this.events = new Events();
    this.timeline = new Timeline();
    this.tree = new Tree();
    this.questions = new Questions((resume) => app.start(thread, this.#state.run.graph, { command: { resume } }));
    this.element = el("div", {}, this.#top(), this.questions.whole, this.#grid());
  }

  open() {
    const told = { frame: (frame) => this.#frame(frame), state: (state) => this.app.connection(state) };
    api.watch(this.thread, this.run, told, this.#abort.signal).catch((error) => this.app.failed(error));
  }

  close() {
    this.#abort.abort();
  }

  // -- items in ------------------------------------------------------------------------------------------

  #frame(frame) {
    if (frame.event === "item") this.#buffer.push(JSON.parse(frame.data));
    else if (frame.event === "end") this.app.refresh();
    else if (frame.event === "error") {
      this.app.refresh();
      this.#buffer.push({ type: "failed", data: JSON.parse(frame.data), ns: [] });
    }
    this.#schedule();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const draw = () => {
      this.#scheduled = false;
      if (!this.#abort.signal.aborted) this.#flush();
    };
    if (document.hidden) setTimeout(draw, 500);
    else requestAnimationFrame(draw);
  }

  #flush() {
    for (const item of this.#buffer) {
      if (item.type === "failed" && this.#state.run?.toMs == null) this.app.failed(new Error(`${item.data.error}: ${item.data.message}`));
      this.#state = reduce(this.#state, item);
      this.#count += 1;
      if (this.#count <= ITEMS_MAX) this.#items.push(item);
      if (this.#count % KEPT_EVERY === 0) this.#kept.push(this.#state);
    }
    if (this.#buffer.length) this.#arrived = performance.now();
    this.#buffer = [];
    this.#draw();
    // bars of what is at work grow with the clock
    if (this.#state.run && this.#state.run.toMs === null && this.#shown === null) setTimeout(() => this.#schedule(), 250);
  }

  #at(count) {
    const from = Math.floor(count / KEPT_EVERY);
    return reduceAll(this.#kept[from], this.#items.slice(from * KEPT_EVERY, count));
  }

  // -- the screen ----------------------------------------------------------------------------------------

  #draw() {
    const live = this.#shown === null;
    const state = live ? this.#state : this.#at(this.#shown);
    this.#drawTop(state);
    this.graph.draw(state);
    this.columns.draw(state);
    this.events.draw(state);
    this.tree.draw(state.values[""] ?? { before: undefined, now: undefined });
    this.timeline.draw(state, live ? state.clock + (performance.now() - this.#arrived) : state.clock);
    this.questions.draw(state, live && this.thread !== null);
    this.slider.max = String(Math.min(this.#count, ITEMS_MAX));
    if (live) this.slider.value = this.slider.max;
    this.slider.setAttribute("aria-valuetext", live ? "now" : `item ${this.#shown} of ${this.#count}`);
    this.back.hidden = live;
  }

  #top() {
    this.title = el("h1", {}, "Run");
    this.badge = el("span", {});
    this.about = el("span", { class: "soft" });
    this.notices = el("div", {});
    this.error = el("p", { class: "problem", role: "alert" });
    this.cancel = el("button", { type: "button", onclick: () => this.#cancel() }, "Cancel the run");
    this.slider = el("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "Wind back and forth in the run" });
    this.slider.addEventListener("input", () => {
      const at = Number(this.slider.value);
      this.#shown = at >= this.#count ? null : at;
      this.#schedule();
    });
    this.back = el("button", { type: "button", onclick: () => { this.#shown = null; this.#schedule(); } }, "To now");
    const thread = this.thread === null ? null : el("a", { href: link("thread", this.thread) }, "History of the thread");
    return el("div", {}, el("div", { class: "top" }, this.title, this.badge, this.about, thread,
      el("div", { class: "scrub" }, this.slider, this.back), this.cancel), this.error, this.notices);
  }

  #grid() {
    return el("div", { class: "grid" },
      el("div", { class: "stack" }, card("Graph", this.graph.canvas, this.graph.now),
        card("Progress and events", this.events.whole)),
      el("div", { class: "stack" },
        card("What the nodes say", this.columns.whole),
        card("Timeline", this.timeline.past, this.timeline.canvas, this.timeline.legend),
        card("State", this.tree.body)));
  }

  #drawTop(state) {
    const run = state.run;
    if (!run) return;
    if (this.title.textContent !== `Run of ${run.graph}`) {
      this.title.textContent = `Run of ${run.graph}`;
      this.#drawing(run);
    }
    const until = run.toMs ?? state.clock;
    const status = run.status === "paused" && !state.questions.length ? "stopped" : run.status;
    replace(this.badge, badge(run.status, status));
    this.about.textContent = `${state.step === null ? "" : `superstep ${state.step}, `}${told(until - run.fromMs)}`;
    this.about.setAttribute("title", `run ${run.id}`);
    this.cancel.hidden = run.toMs !== null;
    this.error.textContent = run.error ? `${run.error.error}: ${run.error.message}` : "";
    replace(this.notices, state.notices.slice(-5).map((text) => el("p", { class: "soft" }, text)));
    if (this.#status !== status && this.#shown === null) say(`The run of ${run.graph} is ${status}.`);
    this.#status = status;
  }

  async #drawing(run) {
    const names = Object.entries(run.nodes).flatMap(([path, nodes]) => nodes.map((node) => [...(path ? path.split("|") : []), node].join(":")));
    let drawing = null;
    try {
      drawing = await api.drawing(run.graph);
    } catch {
      // the gateway does not hold the graph: its nodes are known from the run, without the lines between them
    }
    this.graph.show(drawing, names);
  }

  async #cancel() {
    try {
      await api.cancel(this.thread, this.run);
    } catch (error) {
      this.app.failed(error);
    }
  }
}
