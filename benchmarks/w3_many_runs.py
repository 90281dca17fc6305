"""W3: 1,000 runs of a graph of three async nodes, 100 of them in flight."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.graphs import GRAPHS, aplus_one, chain, langgraph
from benchmarks.harness import Bench, Contender, Table

RUNS, IN_FLIGHT = 1000, 100
RATE = "runs/s"


def tables(bench: Bench) -> list[Table]:
    """One table: embedded and LangGraph, a cluster with one and with two workers."""
    from langgraph.checkpoint.memory import InMemorySaver

    lib = langgraph()
    saver = InMemorySaver()
    runs = RUNS // 10 if bench.quick else RUNS
    one, two = bench.cluster(workers=1, concurrency=32), bench.cluster(workers=2, concurrency=32)
    short = chain(lib, 3, aplus_one)
    contenders = [
        Contender("drumline embedded, async", _many(bench, GRAPHS["short"], runs)),
        Contender("drumline on a cluster, 1 worker", _many(bench, one.client.graph("short"), runs)),
        Contender("drumline on a cluster, 2 workers", _many(bench, two.client.graph("short"), runs)),
        Contender("LangGraph, async", _many(bench, short.compile(), runs)),
        Contender("LangGraph + InMemorySaver, async", _many(bench, short.compile(checkpointer=saver), runs, saver)),
    ]
    title = f"W3 {runs:,} runs of a graph of 3 nodes, {IN_FLIGHT} in flight, ainvoke"
    return [Table("w3", title, [RATE], contenders, bench.rounds(5), bench.budget_s(18))]


def _many(bench: Bench, graph: Any, runs: int, saver: Any = None) -> Callable[[], dict[str, float]]:
    async def caller(numbers: Any) -> None:
        for _ in numbers:
            thread = uuid.uuid4().hex
            config = {"configurable": {"thread_id": thread}} if saver else None
            final = await graph.ainvoke({"n": 0}, config)
            assert final == {"n": 3}, final
            if saver:
                saver.delete_thread(thread)

    async def act() -> float:
        numbers = iter(range(runs))  # shared: each caller takes the next
        began = time.perf_counter()
        await asyncio.gather(*(caller(numbers) for _ in range(IN_FLIGHT)))
        return runs / (time.perf_counter() - began)

    return lambda: {RATE: bench.run(act())}
