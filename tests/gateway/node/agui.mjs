// Runs the HTTP agent of @ag-ui/client on a stream from a file, and prints what it made of it.
import http from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , modules, file] = process.argv;
const require = createRequire(pathToFileURL(`${modules}/`));
const { HttpAgent } = require("@ag-ui/client");

const server = http.createServer((_request, answer) => {
  answer.writeHead(200, { "Content-Type": "text/event-stream" });
  answer.end(readFileSync(file));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const agent = new HttpAgent({ url: `http://127.0.0.1:${server.address().port}/`, threadId: "t" });
const types = [];
let failure = null;
try {
  await agent.runAgent(
    { runId: "r" },
    { onEvent: ({ event }) => void types.push(event.type), onRunErrorEvent: ({ event }) => void (failure = event.message) },
  );
} catch (error) {
  failure = failure ?? String(error.message ?? error);
}
console.log(JSON.stringify({ types, messages: agent.messages, state: agent.state, failure }));
server.close();
process.exit(0);
