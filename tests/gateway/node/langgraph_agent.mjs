// CopilotKit's agent for LangGraph, against a gateway: `node langgraph_agent.mjs MODULES URL` prints one line of JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
for (const kind of ["log", "warn", "error", "debug"]) console[kind] = (...words) => process.stderr.write(`${words.join(" ")}\n`);
const { LangGraphAgent } = require("@ag-ui/langgraph");

/** An agent on a thread of its own, with all events that it tells of. */
function agentOf(graphId) {
  const agent = new LangGraphAgent({ deploymentUrl: url, graphId, threadId: crypto.randomUUID() });
  const events = [];
  const run = async (content, more = {}) => {
    if (content != null) agent.addMessage({ id: crypto.randomUUID(), role: "user", content });
    const begun = events.length;
    let failure = null;
    await agent
      .runAgent({ runId: crypto.randomUUID(), ...more }, { onEvent: ({ event }) => void events.push(event), onRunErrorEvent: ({ event }) => void (failure = event.message) })
      .catch((error) => (failure = failure ?? String(error.stack ?? error)));
    const types = events.slice(begun).map((event) => event.type);
    const messages = agent.messages.map(({ role, content, toolCalls }) => ({ role, content, calls: toolCalls?.map((call) => call.function) }));
    return { types, messages, state: agent.state, failure };
  };
  return { run, events };
}

const chat = agentOf("chat");
const first = await chat.run("hi");
const second = await chat.run("again");
const deltas = chat.events.filter((event) => event.type === "TEXT_MESSAGE_CONTENT").map((event) => event.delta);

const asking = agentOf("agent");
const asked = await asking.run("the sea");
const question = asking.events.findLast((event) => event.type === "CUSTOM");
const answered = await asking.run(null, { forwardedProps: { command: { resume: { decisions: [{ type: "approve" }] } } } });

const failed = await agentOf("fail").run("hi");
process.stdout.write(`${JSON.stringify({ first, second, deltas, asked, question, answered, failed })}\n`);
process.exit(0);
