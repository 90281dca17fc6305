// The timeline: a lane for each worker, a bar for each attempt, a line where a superstep ended.

import { el, replace, svg } from "./dom.js";
import { gantt, ticks, told } from "./gantt.js";

const LEFT = 130;
const NARROWEST = 460;
const ROW = 22;
const TOP = 22;
const LANES_MAX = 40;
const SIGNS = { "taken over": "⇥", "taken back": "⇥", retried: "↻", failed: "✕", asked: "?" };
const CLASSES = { "taken over": "lost", "taken back": "lost", failed: "failed", asked: "asked", retried: "retried", left: "left" };

export class Timeline {
  #drawn = null;

  constructor() {
    this.canvas = el("div", { class: "gantt", tabindex: "0", role: "group", "aria-label": "Timeline of tasks on workers" });
    this.past = el("p", { class: "soft", hidden: true });
    this.legend = el("p", { class: "legend" }, [
      ["⇥", "its worker was lost, or it was taken back: another attempt"], ["↻", "failed, and is tried again"],
      ["✕", "failed for good"], ["?", "asks"], ["┆", "end of a superstep"],
    ].map(([sign, text]) => el("span", {}, `${sign} ${text}`)));
  }

  draw(state, nowMs) {
    const live = state.run?.toMs === null;
    if (this.#drawn === state.tasks && !live) return;
    this.#drawn = state.tasks;
    const made = gantt(state, live ? Math.max(nowMs, state.clock) : state.clock);
    const lanes = made.lanes.slice(0, LANES_MAX);
    this.past.hidden = made.past === 0;
    this.past.textContent = `${made.past} earlier attempts are not drawn.`;
    const height = TOP + lanes.reduce((sum, lane) => sum + lane.rows * ROW + 8, 0) + 4;
    const width = Math.max(NARROWEST, this.canvas.clientWidth);
    const scale = (width - LEFT - 12) / Math.max(made.toMs - made.fromMs, 1);
    const x = (ms) => LEFT + (ms - made.fromMs) * scale;
    replace(this.canvas, svg("svg", { width, height, role: "list" },
      ticks(made.fromMs, made.toMs).map((tick) => [
        svg("line", { class: "tick", x1: x(tick.ms), x2: x(tick.ms), y1: TOP - 6, y2: height }),
        x(tick.ms) + 40 < width ? svg("text", { x: x(tick.ms) + 3, y: 12 }, tick.label) : null,
      ]).flat(),
      lanesOf(lanes, x, width),
      made.marks.map((mark) => svg("line", {
        class: mark.kind, x1: x(mark.ms), x2: x(mark.ms), y1: TOP - 6, y2: height,
      }, svg("title", {}, `superstep ${mark.step}: ${mark.kind === "paused" ? "stands at a question" : "ended"}`)))));
  }
}

function lanesOf(lanes, x, width) {
  let top = TOP;
  return lanes.flatMap((lane) => {
    const y = top;
    top += lane.rows * ROW + 8;
    const name = lane.worker.length > 20 ? `${lane.worker.slice(0, 19)}…` : lane.worker;
    return [
      svg("rect", { class: "band", x: 0, y, width, height: lane.rows * ROW + 4, rx: 4 }),
      svg("text", { class: "lane", x: 6, y: y + 15 }, svg("title", {}, lane.worker), name),
      ...lane.bars.map((bar) => barOf(bar, x, y + bar.row * ROW + 2)),
    ];
  });
}

function barOf(bar, x, y) {
  const width = Math.max(x(bar.endMs) - x(bar.fromMs), 3);
  const sign = SIGNS[bar.end] ?? "";
  const text = `${sign && `${sign} `}${bar.name}${bar.attempt > 1 ? ` #${bar.attempt}` : ""}`;
  const shown = text.length * 6.4 < width - 6 ? text : sign;
  const kind = bar.open ? "open" : CLASSES[bar.end] ?? "done";
  const where = bar.worker ? `, on ${bar.worker}` : "";
  const about = `${bar.path}, attempt ${bar.attempt}${where}: ${bar.open ? "open" : bar.end}, ${told(bar.endMs - bar.fromMs)}${bar.reason && ` (${bar.reason})`}`;
  return svg("g", { class: kind, role: "listitem", "aria-label": about }, svg("title", {}, about),
    svg("rect", { class: "bar-box", x: x(bar.fromMs), y, width, height: ROW - 4, rx: 4 }),
    shown ? svg("text", { class: "bar-text", x: x(bar.fromMs) + 5, y: y + 13 }, shown) : null);
}
