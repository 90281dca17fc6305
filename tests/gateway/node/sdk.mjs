// What LangGraph's JavaScript client makes of a gateway: `node sdk.mjs MODULES URL` prints what it saw as one line of JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url] = process.argv.slice(2);
const found = createRequire(`${modules}/`).resolve("@langchain/langgraph-sdk");
const { Client } = await import(pathToFileURL(found));
const client = new Client({ apiUrl: url });

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const events = (parts) => [...new Set(parts.map((part) => part.event))];

async function talks() {
  const thread = await client.threads.create({ metadata: { of: "js" } });
  const streamMode = ["values", "updates", "messages-tuple", "custom"];
  const input = { said: ["hello"] };
  let created;
  const onRunCreated = (run) => (created = run);
  const parts = await collect(client.runs.stream(thread.thread_id, "speak", { input, streamMode, onRunCreated }));
  const runs = await client.runs.list(thread.thread_id);
  const joined = await collect(client.runs.joinStream(thread.thread_id, created.run_id));
  const state = await client.threads.getState(thread.thread_id);
  const history = await client.threads.getHistory(thread.thread_id, { limit: 10 });
  await client.threads.updateState(thread.thread_id, { values: { topic: "changed" } });
  const changed = await client.threads.getState(thread.thread_id);
  const listed = await client.threads.search({ metadata: { of: "js" } });
  const waited = await client.runs.wait(thread.thread_id, "speak", { input });
  await client.threads.delete(thread.thread_id);
  const gone = await client.threads.get(thread.thread_id).then(() => 200, (error) => error.status ?? 0);
  return {
    events: events(parts),
    isTheRun: created.run_id === runs[0].run_id && parts[0].data.run_id === created.run_id,
    said: state.values.said,
    joined: events(joined),
    history: history.length,
    topic: changed.values.topic,
    listed: listed.map((each) => each.thread_id === thread.thread_id),
    waited: waited.said.length,
    gone,
  };
}

async function asks() {
  const thread = await client.threads.create();
  const input = { topic: "why" };
  const parts = await collect(client.runs.stream(thread.thread_id, "ask", { input, streamMode: ["values"] }));
  const asked = parts.filter((part) => part.event === "values").at(-1).data.__interrupt__;
  const status = (await client.threads.get(thread.thread_id)).status;
  const command = { resume: "because" };
  await collect(client.runs.stream(thread.thread_id, "ask", { command, streamMode: ["values"] }));
  const state = await client.threads.getState(thread.thread_id);
  return { question: asked[0].value, status, said: state.values.said, next: state.next };
}

async function stops() {
  const thread = await client.threads.create();
  const run = await client.runs.create(thread.thread_id, "sleep", { input: {} });
  await client.runs.cancel(thread.thread_id, run.run_id, true);
  return { status: (await client.runs.get(thread.thread_id, run.run_id)).status };
}

async function looks() {
  const [first] = await client.assistants.search({ graphId: "speak" });
  const graph = await client.assistants.getGraph(first.assistant_id);
  const schemas = await client.assistants.getSchemas(first.assistant_id);
  const alone = await client.runs.wait(null, "speak", { input: { said: ["x"] } });
  await client.store.putItem(["js"], "key", { n: 1 });
  const item = await client.store.getItem(["js"], "key");
  return { nodes: graph.nodes.map((node) => node.id), schema: schemas.graph_id, alone: alone.said.length, n: item.value.n };
}

console.log(JSON.stringify({ talks: await talks(), asks: await asks(), stops: await stops(), looks: await looks() }));
process.exit(0);
