// The graph of a run, with the nodes that are at work lit.

import { badge, el, replace, svg } from "./dom.js";
import { layout } from "./layout.js";
import { active } from "./reducer.js";

const ENDS = new Set(["__start__", "__end__"]);
const RADIUS = 7;

export class GraphDrawing {
  #boxes = new Map();
  #state = null;

  constructor() {
    this.canvas = el("div", { class: "graph" });
    this.now = el("ul", { class: "now", "aria-label": "At work now" });
  }

  // drawing: {nodes, edges} as the gateway tells them; null: there is none, and the nodes of the run stand alone.
  show(drawing, names) {
    const nodes = (drawing?.nodes ?? names.map((id) => ({ id }))).map(({ id }) => ({ id: String(id), label: labelOf(String(id)) }));
    const edges = (drawing?.edges ?? []).map((edge) => ({ ...edge, source: String(edge.source), target: String(edge.target) }));
    const made = layout(nodes, edges);
    this.#boxes = new Map(made.nodes.map((node) => [node.id, boxOf(node)]));
    const told = `Graph of ${nodes.length} nodes: ${nodes.map((node) => node.label).join(", ")}`;
    replace(this.canvas, svg("svg", {
      viewBox: `0 0 ${made.width} ${made.height}`, width: made.width, height: made.height, role: "img", "aria-label": told,
    }, arrow(), made.edges.map(edgeOf), [...this.#boxes.values()].map((box) => box.group)));
    const state = this.#state;
    this.#state = null;
    if (state) this.draw(state);
  }

  draw(state) {
    if (this.#state?.tasks === state.tasks) return;
    this.#state = state;
    const told = new Map();
    for (const id of state.order) {
      const task = state.tasks[id];
      for (const key of keysOf(task)) {
        if (this.#boxes.has(key)) told.set(key, more(told.get(key), task));
      }
    }
    for (const [id, box] of this.#boxes) paint(box, id, told.get(id), state);
    const running = active(state).filter((task) => !task.graph);
    replace(this.now, running.length ? running.map(lineOf) : el("li", { class: "empty" }, "No node is at work."));
  }
}

// A node within a graph stands for that graph too, where the drawing has but the outer node.
function keysOf(task) {
  const parts = task.path.split(":");
  return parts.map((_part, at) => parts.slice(0, at + 1).join(":"));
}

const WEIGHT = { active: 4, failed: 3, asked: 3, done: 1 };

function more(known, task) {
  const open = task.status === "running" || task.status === "waiting" || task.status === "parked";
  const kind = open ? "active" : { failed: "failed", asked: "asked" }[task.status] ?? "done";
  const count = (known?.count ?? 0) + 1;
  if (known && WEIGHT[known.kind] > WEIGHT[kind]) return { ...known, count };
  return { kind, task, count };
}

function paint(box, id, told, state) {
  const over = state.run?.status === "done" && id === "__end__";
  const kind = told?.kind ?? (over || (id === "__start__" && state.run) ? "done" : "");
  box.group.setAttribute("class", [ENDS.has(id) ? "end" : "", kind].join(" ").trim());
  const task = told?.task;
  const attempt = task && task.attempt > 1 ? `attempt ${task.attempt}` : "";
  const where = task && kind === "active" ? task.worker : "";
  const times = told && told.count > 1 ? `×${told.count}` : "";
  box.sub.textContent = [where, attempt, times].filter(Boolean).join(" · ");
  box.title.textContent = task ? `${box.name}: ${task.status}${attempt && `, ${attempt}`}${where && `, on ${where}`}` : box.name;
}

function lineOf(task) {
  const attempt = task.attempt > 1 ? badge("retried", `attempt ${task.attempt}`) : null;
  const worker = task.worker ? el("span", { class: "soft" }, `on ${task.worker}`) : null;
  return el("li", {}, el("strong", {}, task.path), badge(task.status), attempt, worker,
    task.note ? el("span", { class: "soft" }, task.note) : null);
}

function labelOf(id) {
  if (id === "__start__") return "start";
  if (id === "__end__") return "end";
  return id.replaceAll(":", " › ");
}

function boxOf(node) {
  const shown = node.label.length > 26 ? `${node.label.slice(0, 25)}…` : node.label;
  const sub = svg("text", { class: "sub", x: node.x, y: node.y + node.height / 2 + 8 });
  const title = svg("title", {}, node.label);
  const group = svg("g", {}, title,
    svg("rect", { x: node.x - node.width / 2, y: node.y - node.height / 2, width: node.width, height: node.height, rx: 8 }),
    svg("text", { x: node.x, y: node.y }, shown), sub);
  return { group, sub, title, name: node.label };
}

function edgeOf(edge) {
  const label = typeof edge.data === "string" ? edge.data : "";
  const path = svg("path", {
    class: edge.conditional ? "conditional" : "", d: lineThrough(edge.points), "marker-end": "url(#arrow)",
  }, svg("title", {}, `${edge.source} → ${edge.target}${label && ` (${label})`}`));
  return path;
}

// A line through points, with round corners between layers.
function lineThrough(points) {
  const [first, ...rest] = points;
  let d = `M${first[0]},${first[1]}`;
  let [x, y] = first;
  for (const [toX, toY] of rest) {
    const middle = (y + toY) / 2;
    d += Math.abs(toX - x) < 1 ? `L${toX},${toY}` : `C${x},${middle} ${toX},${middle} ${toX},${toY}`;
    [x, y] = [toX, toY];
  }
  return d;
}

function arrow() {
  return svg("defs", {}, svg("marker", {
    id: "arrow", viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: RADIUS, markerHeight: RADIUS, orient: "auto-start-reverse",
  }, svg("path", { d: "M0,0L10,5L0,10z" })));
}
