// The attempts of all tasks on the workers that ran them, over time. Pure.

export const UNHEARD = "worker not told";
export const BARS_MAX = 600;

// -> {fromMs, toMs, lanes: [{worker, rows, bars: [{...attempt, task, name, path, row, open}]}], marks, past}
// `past` tasks or attempts were before the oldest bar: the time that is drawn begins there.
export function gantt(state, nowMs) {
  const found = state.order.flatMap((id) => barsOf(state.tasks[id], nowMs));
  const bars = found.slice(-BARS_MAX);
  const past = state.past + found.length - bars.length;
  const fromMs = bars.reduce((ms, bar) => Math.min(ms, bar.fromMs), past ? Infinity : state.run?.fromMs ?? Infinity);
  const toMs = bars.reduce((ms, bar) => Math.max(ms, bar.endMs), Math.max(state.run?.toMs ?? 0, state.clock));
  const lanes = new Map();
  for (const bar of bars) {
    const worker = bar.worker || UNHEARD;
    if (!lanes.has(worker)) lanes.set(worker, { worker, rows: 0, bars: [], ends: [] });
    put(lanes.get(worker), bar);
  }
  const sorted = [...lanes.values()].sort((a, b) => (a.worker === UNHEARD) - (b.worker === UNHEARD) || compare(a, b));
  return {
    fromMs: Number.isFinite(fromMs) ? fromMs : 0,
    toMs: Math.max(toMs, Number.isFinite(fromMs) ? fromMs + 1 : 1),
    lanes: sorted.map(({ worker, rows, bars: placed }) => ({ worker, rows, bars: placed })),
    marks: state.marks.filter((mark) => mark.kind !== "step" && mark.ms >= fromMs),
    past,
  };
}

function compare(a, b) {
  return a.worker < b.worker ? -1 : a.worker > b.worker ? 1 : 0;
}

// A graph that is a node runs nowhere: its nodes do. What is hidden, or was known before, did not run either.
function barsOf(task, nowMs) {
  if (task.hidden || task.status === "cached") return [];
  if (task.graph && !task.worker) return [];
  return task.attempts.map((attempt) => {
    const endMs = attempt.toMs ?? Math.max(nowMs, attempt.fromMs);
    return {
      ...attempt, endMs: Math.max(endMs, attempt.fromMs), open: attempt.toMs === null,
      task: task.id, name: task.name, path: task.path, step: task.step,
    };
  });
}

// The first row of the lane in which the bar covers no other.
function put(lane, bar) {
  const found = lane.ends.findIndex((end) => end <= bar.fromMs);
  const row = found < 0 ? lane.ends.length : found;
  lane.ends[row] = bar.endMs;
  lane.rows = lane.ends.length;
  lane.bars.push({ ...bar, row });
}

// Round times for the axis: [{ms, label}].
export function ticks(fromMs, toMs, count = 6) {
  const span = Math.max(toMs - fromMs, 1);
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= raw);
  const found = [];
  for (let ms = 0; ms <= span; ms += step) found.push({ ms: fromMs + ms, label: told(ms) });
  return found;
}

export function told(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Math.round(ms / 10) / 100} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
