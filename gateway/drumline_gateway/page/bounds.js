// How much of a run the page keeps: the newest of what a long run makes without end. What is open stays. Pure.

export const TASKS_MAX = 1000;
export const MESSAGES_MAX = 500;
const BARS_MAX = 100;
const MARKS_MAX = 1000;
const CHECKPOINTS_MAX = 1000;
const NOTICES_MAX = 50;
const VALUES_MAX = 50;

// A list is cut when it is a quarter too long, so that most facts cut nothing.
const isLong = (count, max) => count > max * 1.25;

// The state without the oldest of what it has too much of; the same object if it has too much of nothing.
export function bounded(state) {
  let next = state;
  if (isLong(state.order.length, TASKS_MAX)) next = withoutTasks(next);
  if (isLong(state.spoken.length, MESSAGES_MAX)) next = withoutMessages(next);
  if (isLong(state.bars.length, BARS_MAX)) next = { ...next, bars: state.bars.slice(-BARS_MAX) };
  if (isLong(state.marks.length, MARKS_MAX)) next = { ...next, marks: state.marks.slice(-MARKS_MAX) };
  if (isLong(state.checkpoints.length, CHECKPOINTS_MAX)) next = { ...next, checkpoints: state.checkpoints.slice(-CHECKPOINTS_MAX) };
  if (isLong(state.notices.length, NOTICES_MAX)) next = { ...next, notices: state.notices.slice(-NOTICES_MAX) };
  const names = Object.keys(state.values);
  if (isLong(names.length, VALUES_MAX)) {
    const kept = names.filter((name, index) => name === "" || index >= names.length - VALUES_MAX);
    next = { ...next, values: picked(state.values, kept) };
  }
  return next;
}

function withoutTasks(state) {
  const order = newest(state.order, TASKS_MAX, (id) => isOpen(state.tasks[id]));
  if (order.length === state.order.length) return state;
  return { ...state, order, tasks: picked(state.tasks, order), past: state.past + state.order.length - order.length };
}

function withoutMessages(state) {
  const spoken = newest(state.spoken, MESSAGES_MAX, (id) => state.messages[id].typing);
  return spoken.length === state.spoken.length ? state : { ...state, spoken, messages: picked(state.messages, spoken) };
}

// The last `max` of a list, and those before that must stay.
function newest(list, max, stays) {
  const from = list.length - max;
  return list.filter((each, index) => index >= from || stays(each));
}

function picked(record, names) {
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}

export function isOpen(task) {
  return task.status === "running" || task.status === "waiting" || task.status === "parked";
}
