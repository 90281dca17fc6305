// Run by `node --test`: what the page makes of facts, without a browser. `PAGE` is the folder of its modules.

import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(new URL(name, `file://${process.env.PAGE}/`));
const { EMPTY, active, reduce, reduceAll } = await page("reducer.js");
const { BARS_MAX, gantt, ticks, told, UNHEARD } = await page("gantt.js");
const { MESSAGES_MAX, TASKS_MAX } = await page("bounds.js");

const fact = (name, more = {}, ns = []) => ({ type: "facts", ns, data: { fact: name, ...more } });
const started = fact("RunStarted", { run_id: "r", graph: "g", thread: "t", nodes: { "": ["a", "b"] }, at_ms: 1000 });
const plan = (step, tasks, ms, ns = []) => fact("PlanMade", { step, stop: 9, at_ms: ms, tasks: tasks.map(([id, name]) => ({ id, name, hidden: false })) }, ns);
const emitted = (task, attempt, worker) => fact("Emitted", { task, attempt, executor: worker });
const finished = (task, ms, worker = "w1", attempt = 1) => fact("TaskFinished", { task, attempt, executor: worker, at_ms: ms, cached: false });
const token = (id, content, node = "a", task = "1") => ({
  type: "messages", ns: [], data: [{ id, type: "AIMessageChunk", content }, { langgraph_node: node, langgraph_checkpoint_ns: `${node}:${task}` }],
});

// A frozen state shows who changes it.
function frozen(value) {
  if (value && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}
const all = (...items) => items.reduce((state, item) => frozen(reduce(frozen(state), frozen(item))), EMPTY);

test("a run begins, runs and ends", () => {
  const open = all(started, plan(1, [["1", "a"]], 1001), emitted("1", 1, "w1"));
  assert.equal(open.run.status, "running");
  assert.deepEqual(active(open).map((task) => [task.path, task.status, task.worker, task.attempt]), [["a", "running", "w1", 1]]);
  const over = [finished("1", 1500), fact("StepCommitted", { step: 1, at_ms: 1500, written: [] }), fact("RunFinished", { status: "done", at_ms: 1600 })];
  const end = reduceAll(open, over);
  assert.deepEqual(active(end), []);
  assert.deepEqual([end.run.status, end.run.toMs, end.tasks["1"].status, end.clock], ["done", 1600, "done", 1600]);
});

test("a worker that is lost: the attempt is marked, the next one has another worker", () => {
  const items = [started, plan(1, [["1", "a"]], 1001), emitted("1", 1, "w1"), token("m", "one "), token("m", "two"),
    fact("AttemptRetracted", { task: "1", attempt: 1, reason: "worker w1 is gone", died: true, executor: "w1", at_ms: 1700 })];
  const lost = all(...items);
  assert.deepEqual([lost.tasks["1"].status, lost.tasks["1"].attempt, lost.messages["m:m"].taken], ["waiting", 2, true]);
  const more = all(...items, emitted("1", 2, "w2"), finished("1", 1900, "w2", 2));
  assert.deepEqual(more.tasks["1"].attempts.map((one) => [one.attempt, one.worker, one.end, one.fromMs, one.toMs]), [[1, "w1", "taken over", 1001, 1700], [2, "w2", "done", 1700, 1900]]);
  // the second attempt said the same, which is told once: nothing was taken back
  assert.equal(more.messages["m:m"].taken, false);
  assert.equal(more.messages["m:m"].text, "one two");
  const other = all(...items, emitted("1", 2, "w2"), token("n", "else"), finished("1", 1900, "w2", 2));
  assert.deepEqual([other.messages["m:m"].taken, other.messages["m:n"].taken], [true, false]);
});

test("a node that is tried again waits until it is due", () => {
  const state = all(started, plan(1, [["1", "a"]], 1001), fact("TaskRetried", { task: "1", attempt: 1, due_ms: 3000, executor: "w9", at_ms: 1400, error: { error: "E", message: "m" } }));
  const task = state.tasks["1"];
  assert.deepEqual([task.attempt, task.note, task.attempts[0].end, task.attempts[1].fromMs], [2, "E: m", "retried", 3000]);
  assert.deepEqual([task.attempts[0].worker, task.attempts[0].toMs, task.worker], ["w9", 1400, ""]);
});

test("nodes of graphs within graphs have the path of the drawing", () => {
  const inner = plan(1, [["2", "b"]], 1002, ["sub:1"]);
  const state = all(started, plan(1, [["1", "sub"]], 1001), fact("GraphEntered", { path: "sub", task: "1" }, ["sub:1"]), inner);
  assert.deepEqual([state.tasks["2"].path, state.tasks["1"].graph, state.step], ["sub:b", true, 1]);
  assert.deepEqual(gantt(state, 2000).lanes.flatMap((lane) => lane.bars.map((bar) => bar.name)), ["b"]);
});

test("questions come once, and go with their answers", () => {
  const asked = fact("TaskInterrupted", { task: "1", attempt: 1, at_ms: 1100, interrupts: [{ id: "q", value: "why?" }] });
  const state = all(started, plan(1, [["1", "a"]], 1001), asked, asked);
  assert.deepEqual(state.questions.map((one) => [one.id, one.node, one.value]), [["q", "a", "why?"]]);
  assert.deepEqual(reduce(state, fact("TaskAnswered", { task: "1" })).questions, []);
});

test("values keep what was before, and a repeat changes nothing", () => {
  const values = (data, more = {}) => ({ type: "values", ns: [], data, ...more });
  const state = all(values({ a: 1 }), values({ a: 2 }));
  assert.deepEqual(state.values[""], { before: { a: 1 }, now: { a: 2 } });
  assert.equal(reduce(state, values({ a: 2 }, { interrupts: [{}] })), state);
});

test("tokens of two messages interleave, each in the column of its node", () => {
  const state = all(started, plan(1, [["1", "a"], ["2", "b"]], 1001), token("x", "1"), token("y", "A", "b", "2"), token("x", "2"), token("y", "B", "b", "2"));
  assert.deepEqual(state.columns, ["a", "b"]);
  assert.deepEqual(state.spoken.map((id) => [state.messages[id].text, state.messages[id].node, state.messages[id].typing]), [["12", "a", true], ["AB", "b", true]]);
  assert.equal(reduce(state, finished("1", 1500)).messages["m:x"].typing, false);
});

test("a whole message takes the place of its chunks, and tool calls grow", () => {
  const chunk = (part) => ({ type: "messages", ns: ["a:1"], data: [{ id: "x", type: "AIMessageChunk", content: "", tool_call_chunks: [part] }, {}] });
  const state = all(chunk({ index: 0, name: "look", args: '{"q":' }), chunk({ index: 0, args: "1}" }));
  assert.deepEqual(state.messages["m:x"].tools, [{ name: "look", args: '{"q":1}' }]);
  const whole = { type: "messages", ns: [], data: [{ id: "x", type: "ai", content: [{ type: "text", text: "done" }], tool_calls: [] }, { langgraph_node: "a" }] };
  const next = reduce(state, whole);
  assert.deepEqual([next.messages["m:x"].text, next.messages["m:x"].tools, next.messages["m:x"].typing], ["done", [], false]);
});

test("progress is a bar for each label of a task; other events are a list", () => {
  const custom = (data) => ({ type: "custom", ns: [], data });
  const state = all(started, plan(1, [["1", "a"]], 1001), emitted("1", 1, "w1"), custom({ progress: 0.25, label: "pages" }), custom({ progress: 3, total: 4, label: "pages" }),
    custom({ progress: { current: 1, total: 2 } }), custom({ progress: 40, name: "rows" }), custom("text"), custom({ progress: "no" }), custom({ progress: NaN }));
  assert.deepEqual(state.bars.map((bar) => [bar.label, bar.part, bar.told, bar.node]), [["pages", 0.75, "3 of 4", "a"], ["", 0.5, "1 of 2", "a"], ["rows", 0.4, "40 %", "a"]]);
  assert.equal(state.customs.length, 3);
});

test("what a page does not know, or begins in the middle of, is passed over", () => {
  const names = ["TaskFinished", "TaskFailed", "TaskRetried", "AttemptRetracted", "TaskParked", "TaskLeft", "Emitted", "TaskAnswered", "GraphEntered", "GraphExited", "FromTheFuture", "constructor", "__proto__"];
  for (const name of names) all(fact(name, { task: "x", attempt: 1, at_ms: 5 }, ["s:1"]));
  all({ type: "other", ns: [], data: {} }, fact("RunFinished", { status: "failed", at_ms: 9, error: { error: "E", message: "m" } }));
});

test("names that objects have by themselves are names like others", () => {
  const name = "__proto__";
  const state = all(started, plan(1, [["1", name]], 1001), emitted("1", 1, name), token(name, "hi", name, "1"), { type: "custom", ns: [], data: JSON.parse('{"__proto__": 1, "progress": 1, "label": "constructor"}') });
  assert.equal(state.tasks["1"].name, name);
  assert.equal({}.polluted, undefined);
  assert.equal(state.messages["m:__proto__"].text, "hi");
});

test("a timeline has a lane for each worker, and no two bars of a row overlap", () => {
  const state = all(started, plan(1, [["1", "a"], ["2", "b"], ["3", "c"]], 1000), emitted("1", 1, "w1"), emitted("2", 1, "w1"), finished("1", 1500, "w1"), finished("2", 1200, "w1"));
  const made = gantt(state, 2000);
  assert.deepEqual(made.lanes.map((lane) => [lane.worker, lane.rows]), [["w1", 2], [UNHEARD, 1]]);
  for (const lane of made.lanes) {
    for (const one of lane.bars) {
      for (const two of lane.bars) {
        assert.ok(one === two || one.row !== two.row || one.endMs <= two.fromMs || two.endMs <= one.fromMs);
      }
    }
  }
  assert.deepEqual([made.fromMs, made.toMs], [1000, 2000]);
  assert.deepEqual(gantt(EMPTY, 0).lanes, []);
  assert.ok(ticks(0, 10_000).length <= 11 && told(1500) === "1.5 s" && told(61_000) === "1 min 1 s");
});

test("of a run without end the newest is kept, and what is open", () => {
  const items = [started, plan(0, [["open", "a"]], 1001), emitted("open", 1, "w0")];
  for (let step = 1; step <= 3 * TASKS_MAX; step++) {
    const id = `t${step}`;
    items.push(plan(step, [[id, "b"]], 1001 + step), emitted(id, 1, "w1"), token(`m${step}`, "hi", "b", id),
      { type: "values", ns: [`b:${id}`], data: { step } }, finished(id, 1002 + step),
      fact("StepCommitted", { step, at_ms: 1002 + step, written: [] }), fact("Noticed", { text: "x" }), fact("Checkpointed", { id, step }));
  }
  const state = reduceAll(EMPTY, items);
  const sizes = [state.order, state.spoken, Object.keys(state.tasks), Object.keys(state.messages), state.marks, state.notices, state.checkpoints, Object.keys(state.values)];
  for (const found of sizes) assert.ok(found.length > 0 && found.length <= 1.25 * TASKS_MAX, String(found.length));
  assert.ok(state.spoken.length <= 1.25 * MESSAGES_MAX);
  assert.deepEqual([state.order[0], state.order.at(-1)], ["open", `t${3 * TASKS_MAX}`]);
  assert.equal(state.past + state.order.length, 3 * TASKS_MAX + 1);
  const made = gantt(state, state.clock);
  assert.equal(made.lanes.reduce((count, lane) => count + lane.bars.length, 0) + made.past, 3 * TASKS_MAX + 1);
  // what comes late of a task that is not kept is passed over
  assert.equal(reduce(state, finished("t1", 9999)).tasks.t1, undefined);
});

test("a superstep of very many tasks is drawn in part", () => {
  const many = Array.from({ length: 150_000 }, (_, index) => [`t${index}`, "a"]);
  const made = gantt(reduceAll(EMPTY, [started, plan(1, many, 1001)]), 2000);
  assert.deepEqual([made.past, made.lanes[0].bars.length, made.fromMs, made.toMs], [150_000 - BARS_MAX, BARS_MAX, 1001, 2000]);
});

test("a log that is cut and read on gives what it gives at once", () => {
  const items = [started, plan(1, [["1", "a"], ["2", "b"]], 1001), emitted("1", 1, "w1"), token("x", "1"), fact("AttemptRetracted", { task: "1", attempt: 1, reason: "", died: true }),
    emitted("1", 2, "w2"), token("y", "2"), finished("1", 1500, "w2", 2), finished("2", 1600), fact("StepCommitted", { step: 1, at_ms: 1600, written: [] }), fact("RunFinished", { status: "done", at_ms: 1700 })];
  const whole = all(...items);
  for (let cut = 0; cut <= items.length; cut++) {
    assert.deepEqual(reduceAll(reduceAll(EMPTY, items.slice(0, cut)), items.slice(cut)), whole);
  }
});
