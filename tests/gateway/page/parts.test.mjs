// Run by `node --test`: the other pure parts of the page.

import assert from "node:assert/strict";
import { test } from "node:test";

const page = (name) => import(new URL(name, `file://${process.env.PAGE}/`));
const { Frames, follow } = await page("sse.js");
const { layout, SIZE } = await page("layout.js");
const { changes, pathKey } = await page("diff.js");
const { fieldsOf, valueOf } = await page("schema.js");

const STREAM = 'id: 1\nevent: item\ndata: {"a":1}\n\n: heartbeat\n\nid: 2\r\nevent: item\r\ndata: x\r\ndata: y\r\n\r\nevent: end\ndata: null\n\n';
const WANTED = [{ event: "item", id: "1", data: '{"a":1}' }, { event: "item", id: "2", data: "x\ny" }, { event: "end", id: "2", data: "null" }];

test("frames are the same wherever the text is cut", () => {
  assert.deepEqual(new Frames().add(STREAM), WANTED);
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const frames = new Frames();
    assert.deepEqual([...frames.add(STREAM.slice(0, cut)), ...frames.add(STREAM.slice(cut))], WANTED, `cut at ${cut}`);
  }
});

test("a stream that closes is taken up behind its last frame, one that is refused is not", async () => {
  const bodies = ["id: 1\nevent: item\ndata: 1\n\n", "id: 2\nevent: item\ndata: 2\n\nid: 2\nevent: end\ndata: null\n\n"];
  const asked = [];
  const seen = [];
  const states = [];
  const open = async (headers) => {
    asked.push(headers["Last-Event-ID"]);
    return new Response(bodies.shift());
  };
  await follow(open, { frame: (frame) => seen.push(frame.data), state: (state) => states.push(state) }, new AbortController().signal);
  assert.deepEqual([asked, seen, states], [[undefined, "1"], ["1", "2", "null"], ["live", "waiting", "live", "ended"]]);
  const refused = async () => new Response('{"detail":"no such run"}', { status: 404 });
  await assert.rejects(follow(refused, { frame() {}, state() {} }, new AbortController().signal), /no such run/);
});

const node = (id) => ({ id, label: id });
const edge = (source, target) => ({ source, target });

test("nodes stand below what leads to them, and none covers another", () => {
  const ids = ["s", "a", "b", "c", "d", "e"];
  const edges = [edge("s", "a"), edge("s", "b"), edge("a", "c"), edge("b", "c"), edge("s", "d"), edge("d", "c"), edge("c", "e"), edge("s", "e")];
  const made = layout(ids.map(node), edges);
  const at = Object.fromEntries(made.nodes.map((each) => [each.id, each]));
  for (const { source, target } of edges) assert.ok(at[source].y < at[target].y, `${source} above ${target}`);
  for (const one of made.nodes) {
    assert.ok(one.x - one.width / 2 >= 0 && one.x + one.width / 2 <= made.width && one.y + SIZE.height / 2 <= made.height);
    for (const two of made.nodes) assert.ok(one === two || one.y !== two.y || Math.abs(one.x - two.x) >= (one.width + two.width) / 2);
  }
  for (const each of made.edges) assert.ok(each.points.flat().every(Number.isFinite));
});

test("circles, loops, unknown ends, doubles and nothing at all can be drawn", () => {
  const made = layout(["a", "b", "c"].map(node), [edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("b", "b"), edge("a", "b"), edge("a", "nowhere")]);
  assert.deepEqual(made.edges.map((each) => [each.source, each.target, each.back, each.self]),
    [["a", "b", false, false], ["b", "c", false, false], ["c", "a", true, false], ["b", "b", true, true], ["a", "b", false, false]]);
  const [from, to] = [made.nodes.find((each) => each.id === "c"), made.nodes.find((each) => each.id === "a")];
  const back = made.edges[2].points;
  assert.ok(Math.abs(back[0][1] - from.y) <= SIZE.height / 2 && Math.abs(back.at(-1)[1] - to.y) <= SIZE.height / 2);
  assert.deepEqual(layout([], []).nodes, []);
  assert.deepEqual(layout(["x"].map(node), []).nodes.length, 1);
});

test("what changed is marked, and what it lies in", () => {
  const found = changes({ a: [1, { b: 2 }], c: 1, gone: 1 }, { a: [1, { b: 3 }], c: 1, d: {} });
  assert.deepEqual(Object.fromEntries(found), {
    [pathKey(["a", "1", "b"])]: "changed", [pathKey(["a", "1"])]: "within", [pathKey(["a"])]: "within",
    [pathKey(["d"])]: "new", [pathKey(["gone"])]: "removed", [pathKey([])]: "within",
  });
  assert.equal(changes({ a: NaN }, { a: NaN }).size, 0);
  assert.equal(changes(undefined, { a: 1 }).size, 0);
  assert.equal(changes({ a: [] }, { a: {} }).get(pathKey(["a"])), "changed");
});

test("a schema gives fields, and what is typed gives values", () => {
  const schema = {
    $defs: { Kind: { enum: ["x", "y"] }, HumanMessage: { title: "HumanMessage", type: "object" } },
    properties: {
      topic: { type: "string", title: "Topic", description: "of it" }, count: { anyOf: [{ type: "integer" }, { type: "null" }], default: null },
      part: { type: "number" }, yes: { type: "boolean" }, kind: { $ref: "#/$defs/Kind" }, chat: { type: "array", items: { anyOf: [{ $ref: "#/$defs/HumanMessage" }] } },
      rest: { type: "object" }, self: { $ref: "#/properties/self" },
    },
    required: ["topic", "part"],
  };
  const fields = Object.fromEntries(fieldsOf(schema).map((field) => [field.key, field]));
  assert.deepEqual(Object.values(fields).map((field) => field.kind), ["long", "integer", "number", "boolean", "choice", "messages", "json", "json"]);
  assert.equal(valueOf(fields.topic, ""), "");
  assert.equal(valueOf(fields.count, " "), undefined);
  assert.equal(valueOf(fields.count, "12"), 12);
  assert.equal(valueOf(fields.part, "1.5"), 1.5);
  assert.equal(valueOf(fields.yes, true), true);
  assert.equal(valueOf(fields.kind, "y"), "y");
  assert.deepEqual(valueOf(fields.chat, "hello"), [{ role: "user", content: "hello" }]);
  assert.deepEqual(valueOf(fields.chat, '[{"role":"ai"}]'), [{ role: "ai" }]);
  assert.deepEqual(valueOf(fields.rest, '{"a":1}'), { a: 1 });
  assert.throws(() => valueOf(fields.count, "1.5"), /whole number/);
  assert.throws(() => valueOf(fields.rest, "{"), /no JSON/);
  assert.equal(fieldsOf({ type: "string" }), null);
  assert.equal(fieldsOf(null), null);
});
