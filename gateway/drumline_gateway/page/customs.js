// Custom events: those with `progress` as bars, the others as they are. Pure.

const CUSTOMS_MAX = 200;
const NAMES = ["label", "name", "title", "step", "stage"];

export function addCustom(state, data, ns) {
  const task = state.emitter?.task ?? "";
  const node = state.tasks[task]?.path ?? "";
  const bar = barOf(data);
  if (bar === null) {
    const customs = [...state.customs, { node, task, ns, data }];
    return { ...state, customs: customs.slice(-CUSTOMS_MAX) };
  }
  const key = `${task}|${bar.label}`;
  const next = { ...bar, key, node, task };
  const at = state.bars.findIndex((known) => known.key === key);
  if (at < 0) return { ...state, bars: [...state.bars, next] };
  return { ...state, bars: state.bars.map((known, index) => (index === at ? next : known)) };
}

// {label, part (0..1), told} of an event with `progress`: a part of 1, a number of percent, or so many of `total`.
export function barOf(data) {
  if (!data || typeof data !== "object" || Array.isArray(data) || !("progress" in data)) return null;
  const progress = data.progress;
  const inner = progress && typeof progress === "object" ? progress : { value: progress };
  const value = number(inner.value ?? inner.current ?? inner.done ?? inner.progress);
  const total = number(inner.total ?? data.total);
  if (value === null) return null;
  let part = value > 1 ? value / 100 : value;
  let told = `${Math.round(clamp(part) * 100)} %`;
  if (total !== null && total > 0) {
    part = value / total;
    told = `${value} of ${total}`;
  }
  const label = NAMES.map((name) => data[name]).find((text) => typeof text === "string") ?? "";
  const note = typeof data.message === "string" ? data.message : "";
  return { label, part: clamp(part), told, note };
}

function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function clamp(part) {
  return Math.min(1, Math.max(0, part));
}
