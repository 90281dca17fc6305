// How everything stands: coordinators and their partitions, workers, pools and queues, runs, failures.

import * as api from "./api.js";
import { badge, card, el, link, replace, table } from "./dom.js";
import { told } from "./gantt.js";

const EVERY_MS = 3000;

export class ClusterView {
  #timer = 0;
  #closed = false;

  constructor(app) {
    this.app = app;
    this.summary = el("div", { class: "top" });
    this.tables = el("div", { class: "tables" });
    this.element = el("div", {}, this.summary, this.tables);
  }

  async open() {
    const found = await api.overview();
    if (this.#closed) return;
    this.#draw(found);
    this.#again();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #again() {
    this.#timer = setTimeout(async () => {
      try {
        if (!document.hidden) this.#draw(await api.overview());
        this.app.connection("");
      } catch {
        this.app.connection("waiting");
      }
      if (!this.#closed) this.#again();
    }, EVERY_MS);
  }

  #draw(found) {
    const unowned = found.unowned_partitions.length;
    replace(this.summary, el("h1", {}, "Cluster"),
      found.partitions ? badge(unowned ? "no" : "yes", `${found.partitions - unowned} of ${found.partitions} partitions held`) : null,
      badge("open", `${found.open_runs} open runs`),
      found.broker ? el("span", { class: "soft mono" }, found.broker) : null,
      found.unusable.map((line) => el("p", { class: "problem" }, line)));
    // drawn anew every few seconds: what has the focus keeps it
    const focused = document.activeElement?.getAttribute?.("href");
    replace(this.tables, tablesOf(found));
    if (focused) [...this.tables.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused)?.focus();
  }
}

function tablesOf(found) {
  return [
    el("div", { class: "wide" }, card("Open runs", table("Open runs", ["run", "graph", "since", "at work"], found.runs.map((run) => [
      runLink(run), run.graph, told(Math.max(0, (run.age_s ?? 0) * 1000)),
      (run.open_tasks ?? []).map((task) => el("div", {}, `${task.node}: ${task.told ?? task.state}`)),
    ]), "No run is open."))),
    card("Workers", table("Workers", ["worker", "pools", "at work", "seen"], found.workers.map((worker) => [
      worker.name, worker.pools.join(", "), `${worker.running} of ${worker.concurrency}`, alive(worker),
    ]), "No worker is there.")),
    card("Pools", table("Pools", ["pool", "workers", "waiting", "given out"], found.pools.map((pool) => [
      pool.name, String(pool.workers), String(pool.waiting), String(pool.taken),
    ]), "No pool is there.")),
    card("Coordinators", table("Coordinators", ["coordinator", "partitions", "graphs", "seen"], found.coordinators.map((each) => [
      each.name, each.partitions.join(", "), each.graphs.join(", "), alive(each),
    ]), "No coordinator is there.")),
    card("Failures", table("Failures", ["run", "graph", "when", "error"], found.failed.map((run) => [
      runLink(run), run.graph, new Date(run.at_ms).toLocaleString(), run.error,
    ]), "No run has failed.")),
  ];
}

function runLink(run) {
  const href = run.thread_id ? link("run", run.thread_id, run.run_id) : link("runs", run.run_id);
  return el("a", { href, class: "mono" }, run.run_id);
}

function alive(row) {
  return badge(row.alive ? "yes" : "no", row.alive ? `${told(row.age_ms)} ago` : `not for ${told(row.age_ms)}`);
}
