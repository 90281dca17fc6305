// What LangGraph's JavaScript client makes of a thread's stream: `node threads.mjs MODULES URL` prints it as a line of JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { Client } = await import(pathToFileURL(require.resolve("@langchain/langgraph-sdk")));
globalThis.WebSocket ??= require("undici").WebSocket; // Node has one from 22 on
const client = new Client({ apiUrl: url });

const opened = (assistantId, transport) => client.threads.stream(crypto.randomUUID(), { assistantId, transport });

async function collect(items, shown = (item) => item) {
  const found = [];
  for await (const item of items) found.push(await shown(item));
  return found;
}

async function talks(transport) {
  const thread = opened("chat", transport);
  const messages = collect(thread.messages, async (message) => [message.node, await message.text]);
  await thread.run.start({ input: { messages: [{ role: "user", content: "hi there" }] } });
  const found = { messages: await messages, said: (await thread.output).messages.map((message) => message.content) };
  await thread.close();
  return found;
}

async function asks(transport) {
  const thread = opened("ask", transport);
  const paused = new Promise((resolve) => thread.onEvent((event) => event.method === "input.requested" && resolve()));
  const over = new Promise((resolve) =>
    thread.onEvent((event) => event.method === "lifecycle" && event.params.data.event === "completed" && resolve()),
  );
  await thread.run.start({ input: { topic: "why" } });
  await paused;
  const [{ interruptId, payload, namespace }] = thread.interrupts;
  await thread.input.respond({ interrupt_id: interruptId, namespace, response: "because" });
  await over;
  const { values } = await thread.state.get({ namespace: [] });
  const { checkpoints } = await thread.state.listCheckpoints({});
  const { tree } = await thread.agent.getTree({});
  await thread.close();
  return { payload, said: values.said, steps: checkpoints.map((each) => each.step), tree };
}

async function looks(transport) {
  const thread = opened("nested", transport);
  const within = collect(thread.subgraphs, (graph) => [graph.name, graph.graphName, graph.cause.type]);
  await thread.run.start({ input: { said: ["x"] } });
  const found = await within;
  await thread.close();
  return found;
}

const seen = {};
for (const transport of ["sse", "websocket"]) {
  seen[transport] = { talks: await talks(transport), asks: await asks(transport), looks: await looks(transport) };
}
console.log(JSON.stringify(seen));
process.exit(0);
