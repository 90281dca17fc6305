// What a person sees of a run, made of its facts and items, one by one. Pure: a state is never changed, a new one
// shares what is the same, so that drawing code finds by `===` what to draw anew.

import { bounded, isOpen } from "./bounds.js";
import { addCustom } from "./customs.js";
import { addMessage, retractMessages, settleMessages } from "./messages.js";

export const EMPTY = Object.freeze({
  run: null, // {id, graph, thread, status, error, fromMs, toMs, nodes}
  clock: 0, // the newest time that a fact has told, in ms
  step: null,
  tasks: {}, // id -> task
  order: [], // ids of tasks, as they were planned
  past: 0, // how many tasks were so long ago that they are not kept
  marks: [], // {kind, ms, step}: the barriers of supersteps of the outermost graph
  emitter: null, // whose the next custom event is: {task, attempt, worker}
  columns: [], // paths of nodes that speak, in the order in which they began
  messages: {}, // id -> message
  spoken: [], // ids of messages
  bars: [], // progress
  customs: [], // other custom events, the newest last
  values: {}, // namespace -> {before, now}
  questions: [],
  notices: [],
  checkpoints: [],
});

// One item of the stream of facts: {type, ns, data, interrupts?}.
export function reduce(state, item) {
  const handler = item.type === "facts" ? FACTS[item.data.fact] : ITEMS[item.type];
  const next = handler === undefined ? state : bounded(handler(state, item.data, item.ns, item));
  const ms = item.type === "facts" ? item.data.at_ms : undefined;
  return typeof ms === "number" && ms > next.clock ? { ...next, clock: ms } : next;
}

export function reduceAll(state, items) {
  return items.reduce(reduce, state);
}

// "a:1|b:2" -> "a:b", the name under which the drawing of a graph knows a node.
export function pathOf(ns, name) {
  return [...ns.map((part) => part.slice(0, part.lastIndexOf(":"))), name].join(":");
}

// The tasks that are at work now, those of graphs within others too.
export function active(state) {
  return state.order.map((id) => state.tasks[id]).filter((task) => isOpen(task) && !task.hidden);
}

const ITEMS = {
  __proto__: null,
  values: (state, data, ns, item) => {
    const key = ns.join("|");
    const known = state.values[key];
    const now = item.interrupts && known ? known.now : data;
    if (known && known.now === now) return state;
    return { ...state, values: { ...state.values, [key]: { before: known ? known.now : undefined, now } } };
  },
  custom: (state, data, ns) => addCustom(state, data, ns),
  messages: (state, data, ns) => addMessage(state, data, ns),
};

const FACTS = {
  __proto__: null,
  RunStarted: (state, fact) => ({
    ...state,
    run: {
      id: fact.run_id, graph: fact.graph, thread: fact.thread ?? null, nodes: fact.nodes ?? {},
      status: "running", error: null, fromMs: fact.at_ms, toMs: null,
    },
  }),
  RunFinished: (state, fact) => settleMessages({
    ...state,
    run: { ...(state.run ?? { id: "", graph: "", thread: null, nodes: {}, fromMs: fact.at_ms }),
      status: fact.status, error: fact.error ?? null, toMs: fact.at_ms },
    tasks: mapped(state.tasks, (task) => (isOpen(task) ? closed(task, "left", fact.at_ms) : task)),
  }),
  GraphEntered: (state, fact, ns) => {
    if (ns.length === 0) return state;
    const id = fact.task || ns[ns.length - 1].slice(ns[ns.length - 1].lastIndexOf(":") + 1);
    return state.tasks[id] ? withTask(state, { ...state.tasks[id], graph: true }) : state;
  },
  PlanMade: (state, fact, ns) => {
    const tasks = { ...state.tasks };
    const order = [...state.order];
    for (const planned of fact.tasks) {
      if (!tasks[planned.id]) order.push(planned.id);
      tasks[planned.id] = newTask(planned.id, planned.name, ns, fact.step, fact.at_ms, planned.hidden);
    }
    const outer = ns.length === 0;
    const marks = outer ? [...state.marks, { kind: "step", ms: fact.at_ms, step: fact.step }] : state.marks;
    return { ...state, tasks, order, marks, step: outer ? fact.step : state.step };
  },
  TaskCalled: (state, fact, ns) => {
    const task = { ...newTask(fact.task, fact.name, ns, state.step, fact.at_ms, false), caller: fact.caller };
    const order = state.tasks[fact.task] ? state.order : [...state.order, fact.task];
    return { ...state, order, tasks: { ...state.tasks, [fact.task]: task } };
  },
  ErrorHandled: (state, fact, ns) => {
    const handler = { ...newTask(fact.id, fact.name, ns, state.step, fact.at_ms, false), handles: fact.task };
    return { ...state, order: [...state.order, fact.id], tasks: { ...state.tasks, [fact.id]: handler } };
  },
  Emitted: (state, fact) => {
    const emitter = { task: fact.task, attempt: fact.attempt, worker: fact.executor };
    const task = state.tasks[fact.task];
    const same = !task || (task.worker === fact.executor && task.status === "running");
    const next = { ...state, emitter };
    return same ? next : withTask(next, heard(task, fact));
  },
  TaskFinished: (state, fact) => settleMessages(ended(state, fact, fact.cached ? "cached" : "done"), fact.task),
  TaskFailed: (state, fact) => settleMessages(ended(state, fact, "failed", { error: fact.error }), fact.task),
  TaskLeft: (state, fact) => settleMessages(ended(state, { ...fact, at_ms: state.clock }, "done"), fact.task),
  TaskInterrupted: (state, fact, ns) => {
    const next = ended(state, fact, "asked");
    const task = next.tasks[fact.task];
    const asked = (fact.interrupts ?? []).map((one) => ({
      ...one, task: fact.task, node: task ? task.path : pathOf(ns, ""), ns,
    }));
    const known = new Set(state.questions.map((question) => question.id));
    return { ...next, questions: [...state.questions, ...asked.filter((one) => !known.has(one.id))] };
  },
  TaskAnswered: (state, fact) => ({
    ...state, questions: state.questions.filter((question) => question.task !== fact.task),
  }),
  AttemptRetracted: (state, fact) => {
    const task = state.tasks[fact.task];
    if (!task) return state;
    const kind = fact.died ? "taken over" : "taken back";
    const ms = fact.at_ms || state.clock; // a log of an older drumline does not tell when
    return retractMessages(withTask(state, again(task, fact, kind, ms, ms)), fact.task);
  },
  TaskRetried: (state, fact) => {
    const task = state.tasks[fact.task];
    if (!task) return state;
    const told = { ...fact, reason: fact.error ? `${fact.error.error}: ${fact.error.message}` : "" };
    return withTask(state, again(task, told, "retried", fact.at_ms || state.clock, fact.due_ms));
  },
  TaskParked: (state, fact) => {
    const task = state.tasks[fact.task];
    return task ? withTask(state, { ...task, status: "parked", note: fact.reason }) : state;
  },
  StepCommitted: (state, fact, ns) =>
    ns.length ? state : { ...state, marks: [...state.marks, { kind: "barrier", ms: fact.at_ms, step: fact.step }] },
  GraphPaused: (state, fact, ns) =>
    ns.length ? state : { ...state, marks: [...state.marks, { kind: "paused", ms: fact.at_ms, step: fact.step }] },
  Checkpointed: (state, fact, ns) =>
    ns.length ? state : { ...state, checkpoints: [...state.checkpoints, { id: fact.id, step: fact.step }] },
  Noticed: (state, fact) => ({ ...state, notices: [...state.notices, fact.text] }),
  DrainRequested: (state, fact) => ({ ...state, notices: [...state.notices, `asked to stop: ${fact.reason}`] }),
};

// -- tasks ----------------------------------------------------------------------------------------------

function newTask(id, name, ns, step, ms, hidden) {
  return {
    id, name, ns, path: pathOf(ns, name), step, hidden: Boolean(hidden), status: "waiting", worker: "", attempt: 1,
    note: "", error: null, graph: false, attempts: [newAttempt(1, ms)],
  };
}

function newAttempt(attempt, ms) {
  return { attempt, worker: "", fromMs: ms, toMs: null, end: "", reason: "" };
}

function heard(task, fact) {
  const attempts = changedLast(task.attempts, { worker: fact.executor });
  return { ...task, status: "running", worker: fact.executor, attempt: fact.attempt, attempts };
}

function closed(task, status, ms, more = {}) {
  const last = { toMs: ms, end: status };
  if (more.worker) last.worker = more.worker;
  return { ...task, ...more, status, attempts: changedLast(task.attempts, last) };
}

function ended(state, fact, status, more = {}) {
  const task = state.tasks[fact.task];
  if (!task) return state;
  const told = { ...more, worker: fact.executor || task.worker, attempt: fact.attempt ?? task.attempt };
  return withTask(state, closed(task, status, fact.at_ms, told));
}

function again(task, fact, end, ms, nextMs) {
  const worker = fact.executor || task.worker;
  const attempts = changedLast(task.attempts, { toMs: ms, end, worker, reason: fact.reason ?? "" });
  const attempt = fact.attempt + 1;
  return {
    ...task, status: "waiting", worker: "", attempt, note: fact.reason ?? "",
    attempts: [...attempts, newAttempt(attempt, nextMs)],
  };
}

function changedLast(list, change) {
  return [...list.slice(0, -1), { ...list[list.length - 1], ...change }];
}

function withTask(state, task) {
  return { ...state, tasks: { ...state.tasks, [task.id]: task } };
}

function mapped(record, change) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
