// Reads a stream from a file as the AI SDK does, and prints the message that comes of it.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , modules, file] = process.argv;
const require = createRequire(pathToFileURL(`${modules}/`));
const { parseJsonEventStream, readUIMessageStream, uiMessageChunkSchema } = require("ai");

const refused = [];
const types = [];
const chunks = parseJsonEventStream({
  stream: new Blob([readFileSync(file)]).stream(),
  schema: uiMessageChunkSchema,
}).pipeThrough(
  new TransformStream({
    transform(parsed, controller) {
      if (!parsed.success) {
        refused.push(String(parsed.error).slice(0, 500));
        return;
      }
      types.push(parsed.value.type);
      controller.enqueue(parsed.value);
    },
  }),
);
let message = null;
let failure = null;
try {
  for await (const grown of readUIMessageStream({
    stream: chunks,
    terminateOnError: true,
  })) {
    message = grown;
  }
} catch (error) {
  failure = String(error.message ?? error);
}
console.log(JSON.stringify({ types, refused, message, failure }));
