"""W2: one superstep of 1,000 `Send` tasks whose results a reducer gathers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.bare import Ping
from benchmarks.graphs import GRAPHS, fan_out, langgraph
from benchmarks.harness import Bench, Contender, Table

TASKS = 1000
MS, RATE = "ms/run", "tasks/s"


def tables(bench: Bench) -> list[Table]:
    """One table: embedded and LangGraph, a cluster with one and with two workers, the bare loop."""
    from langgraph.checkpoint.memory import InMemorySaver

    lib = langgraph()
    saver = InMemorySaver()
    one, two = bench.cluster(workers=1, concurrency=32), bench.cluster(workers=2, concurrency=32)
    ping = Ping(bench.server.url)
    bench.defer(ping.close)
    bench.bare_peer("echo")
    kept = fan_out(lib, asynchronous=True).compile(checkpointer=saver)
    contenders = [
        Contender("drumline embedded, sync", _sync(GRAPHS["fan"])),
        Contender("drumline embedded, async", _async(bench, GRAPHS["afan"])),
        Contender("drumline on a cluster, 1 worker, sync", _sync(one.client.graph("fan"))),
        Contender("drumline on a cluster, 1 worker, async", _async(bench, one.client.graph("afan"))),
        Contender("drumline on a cluster, 2 workers, sync", _sync(two.client.graph("fan"))),
        Contender("LangGraph, sync", _sync(fan_out(lib).compile())),
        Contender("LangGraph, async", _async(bench, fan_out(lib, asynchronous=True).compile())),
        Contender("LangGraph + InMemorySaver, async", _async(bench, kept, saver)),
        Contender("bare Redis loop, redis-py sync, pipelines of 256", _timed(lambda: ping.all_at_once(TASKS))),
    ]
    title = f"W2 one superstep of {TASKS:,} Send tasks and a reducer"
    return [Table("w2", title, [MS, RATE], contenders, bench.rounds(9), bench.budget_s(15))]


def _figures(seconds: float) -> dict[str, float]:
    return {MS: seconds * 1e3, RATE: TASKS / seconds}


def _timed(act: Callable[[], Any]) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        began = time.perf_counter()
        act()
        return _figures(time.perf_counter() - began)

    return sample


def _sync(graph: Any) -> Callable[[], dict[str, float]]:
    def act() -> None:
        final = graph.invoke({"n": TASKS})
        assert len(final["done"]) == TASKS, len(final["done"])

    return _timed(act)


def _async(bench: Bench, graph: Any, saver: Any = None) -> Callable[[], dict[str, float]]:
    async def act() -> float:
        thread = uuid.uuid4().hex
        config = {"configurable": {"thread_id": thread}} if saver else None
        began = time.perf_counter()
        final = await graph.ainvoke({"n": TASKS}, config)
        seconds = time.perf_counter() - began
        assert len(final["done"]) == TASKS, len(final["done"])
        if saver:
            saver.delete_thread(thread)
        return seconds

    return lambda: _figures(bench.run(act()))
