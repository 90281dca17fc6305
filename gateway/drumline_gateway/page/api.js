// What is asked of the gateway. All addresses are relative to where the page lies, so it may be mounted anywhere.

import { Refused, detailOf, follow } from "./sse.js";

const BASE = new URL("../", import.meta.url);
const KEY = "drumline:key";

export class NeedsKey extends Error {}

export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

function headers(more) {
  const key = sessionStorage.getItem(KEY);
  return { ...(key ? { "X-Api-Key": key } : {}), ...more };
}

// A browser takes `.` and `..` out of a path, escaped or not, and a gateway splits one at each slash: with such an id it
// would ask something else.
function place(...parts) {
  const strange = parts.find((part) => part === "." || part === ".." || part.includes("/"));
  if (strange !== undefined) throw new Refused(`No address can name ${JSON.stringify(strange)}: take an id without slashes that is not . or ..`);
  return new URL(parts.map((part) => encodeURIComponent(part)).join("/"), BASE);
}

async function ask(url, method = "GET", body = undefined) {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const more = sent === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(url, { method, body: sent, headers: headers(more) });
  if (response.status === 401) throw new NeedsKey(await detailOf(response));
  if (!response.ok) throw new Refused(await detailOf(response));
  return response.status === 204 || response.status === 202 ? null : response.json();
}

export const assistants = () => ask(place("assistants", "search"), "POST", { limit: 1000 });
export const schemas = (graph) => ask(place("assistants", graph, "schemas"));
export const overview = () => ask(place("drumline", "overview"));
export const threads = () => ask(place("threads", "search"), "POST", { limit: 30 });
export const threadAt = (thread) => ask(place("threads", thread));
export const runsOf = (thread) => ask(place("threads", thread, "runs"));
export const stateOf = (thread) => ask(place("threads", thread, "state"));
export const history = (thread) => ask(place("threads", thread, "history"), "POST", { limit: 100 });
export const newThread = () => ask(place("threads"), "POST", {});
export const update = (thread, body) => ask(place("threads", thread, "state"), "POST", body);
export const start = (thread, body) => ask(place("threads", thread, "runs"), "POST", body);
export const runAt = (thread, run) => (thread ? ["threads", thread, "runs", run] : ["runs", run]);
export const cancel = (thread, run) => ask(place(...runAt(thread, run), "cancel"), "POST");

export function drawing(graph) {
  const url = place("assistants", graph, "graph");
  url.searchParams.set("xray", "true");
  return ask(url);
}

// The facts of a run, to its end. Rejects with what the gateway refused.
export function watch(thread, run, told, signal, after) {
  const url = place("drumline", ...runAt(thread, run), "facts");
  return follow((more, aborted) => fetch(url, { headers: headers(more), signal: aborted }), told, signal, after);
}
