// Which view is shown, by the part of the address behind `#`, and what all views share.

import * as api from "./api.js";
import { badge, card, el, link, replace } from "./dom.js";
import { ClusterView } from "./view_cluster.js";
import { RunView } from "./view_run.js";
import { StartView } from "./view_start.js";
import { ThreadView } from "./view_thread.js";

const THREADS_EVERY_MS = 10_000;
const CONNECTION = { live: "live", waiting: "connection lost, trying again…", ended: "", "": "" };

const main = document.getElementById("main");
const threads = document.getElementById("threads");
const problem = el("p", { class: "problem", role: "alert" });
let view = null;

const app = {
  connection(state) {
    document.getElementById("connection").textContent = CONNECTION[state] ?? "";
  },
  failed(error) {
    if (error instanceof api.NeedsKey) askForKey();
    else problem.textContent = error.message;
  },
  // Start a run on a thread ("": a new one), and show it.
  async start(thread, graph, body) {
    const on = thread || (await api.newThread()).thread_id;
    const run = await api.start(on, { assistant_id: graph, stream_resumable: true, if_not_exists: "create", ...body });
    location.hash = link("run", on, run.run_id);
  },
  refresh: () => void listThreads(),
};

async function show() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decoded);
  view?.close();
  view = viewOf(parts);
  problem.textContent = "";
  app.connection("");
  replace(main, problem, view.element);
  for (const each of document.querySelectorAll("header nav a")) {
    if (each.getAttribute("href") === (location.hash || "#/")) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  void listThreads();
  try {
    await view.open();
  } catch (error) {
    app.failed(error);
  }
}

function viewOf(parts) {
  const [kind, first, second] = parts;
  if (kind === "run" && first && second) return new RunView(app, first, second);
  if (kind === "runs" && first) return new RunView(app, null, first);
  if (kind === "thread" && first) return new ThreadView(app, first);
  if (kind === "cluster") return new ClusterView(app);
  return new StartView(app, kind === "start" ? first ?? "" : "");
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function listThreads() {
  let found;
  try {
    found = await api.threads();
  } catch (error) {
    if (error instanceof api.NeedsKey) askForKey();
    return;
  }
  const rows = found.map((thread) => {
    const href = link("thread", thread.thread_id);
    const graph = thread.metadata?.graph_id ?? "no run yet";
    return el("li", {}, el("a", { href, title: thread.thread_id, "aria-current": location.hash === href ? "page" : null },
      `${graph} `, badge(thread.status), el("small", {}, new Date(thread.updated_at).toLocaleString())));
  });
  const focused = threads.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  replace(threads, rows.length ? rows : el("li", { class: "empty" }, "None yet."));
  if (focused) [...threads.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused)?.focus();
}

function askForKey() {
  if (document.getElementById("key")) return;
  const input = el("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const form = el("form", {}, el("label", { for: "key" }, "API key", el("small", {}, "kept in this tab alone"), input),
    el("div", { class: "buttons" }, el("button", { class: "first", type: "submit" }, "Go on")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    api.setKey(input.value);
    void show();
  });
  view?.close();
  view = null;
  replace(main, card("This gateway asks for a key", form));
  input.focus();
}

window.addEventListener("hashchange", async () => {
  await show();
  main.focus();
});
setInterval(() => document.hidden || void listThreads(), THREADS_EVERY_MS);
void show();
