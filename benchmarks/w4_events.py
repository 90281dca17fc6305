"""W4: custom events. As fast as one node can write them, and 50 runs that write 100 a second each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.bare import Tail
from benchmarks.graphs import GRAPHS, burst, langgraph, paced
from benchmarks.harness import Bench, Contender, Table

#: the workload's burst, and a long one that shows the rate without what a run costs by itself
SHORT, LONG = 2_000, 50_000
SHORT_RATE, LONG_RATE = f"events/s ({SHORT:,})", f"events/s ({LONG:,})"
P50, P99 = "p50 ms", "p99 ms"
RUNS, PER_SECOND = 50, 100
#: the first event comes this long after the call, when all runs are under way: how runs start is W3's subject
HEAD_START_S = 0.7


def tables(bench: Bench) -> list[Table]:
    """Two tables: the rate of a burst, and the time from the writer to the consumer of a paced stream."""
    lib = langgraph()
    cluster = bench.cluster(workers=1, concurrency=RUNS + 14)
    tail = Tail(bench.server.url)
    bench.defer(tail.close)
    bench.bare_peer("source")
    bench.bare_peer("forward")
    fast = [
        Contender("drumline embedded, sync", _burst(GRAPHS["burst"])),
        Contender("drumline on a cluster, sync", _burst(cluster.client.graph("burst"))),
        Contender("LangGraph, sync", _burst(burst(lib).compile())),
        Contender("bare two-hop path, redis-py, pipelines of 256", _bare_burst(tail)),
    ]
    seconds = 1 if bench.quick else 2
    slow = [
        Contender("drumline embedded, async", _paced(bench, GRAPHS["paced"], seconds)),
        Contender("drumline on a cluster, async", _paced(bench, cluster.client.graph("paced"), seconds)),
        Contender("LangGraph, async", _paced(bench, paced(lib).compile(), seconds)),
        Contender("bare two-hop path, redis-py", lambda: delays(tail.paced(RUNS, PER_SECOND, PER_SECOND * seconds))),
    ]
    title = f"W4 custom events of one node, as fast as it goes: {SHORT:,} and {LONG:,}"
    paced_title = f"W4 {RUNS} runs x {PER_SECOND} events/s for {seconds} s: from the writer to the consumer"
    return [
        Table("w4", title, [SHORT_RATE, LONG_RATE], fast, bench.rounds(7), bench.budget_s(14)),
        Table("w4 paced", paced_title, [P50, P99], slow, bench.rounds(3, least=1), bench.budget_s(25), warm=False),
    ]


def _burst(graph: Any) -> Callable[[], dict[str, float]]:
    def rate(count: int) -> float:
        began = time.perf_counter()
        items = sum(1 for _ in graph.stream({"n": count}, stream_mode="custom"))
        assert items == count, items
        return count / (time.perf_counter() - began)

    return lambda: {SHORT_RATE: rate(SHORT), LONG_RATE: rate(LONG)}


def _bare_burst(tail: Tail) -> Callable[[], dict[str, float]]:
    def rate(count: int) -> float:
        began = time.perf_counter()
        tail.burst(count)
        return count / (time.perf_counter() - began)

    return lambda: {SHORT_RATE: rate(SHORT), LONG_RATE: rate(LONG)}


def _paced(bench: Bench, graph: Any, seconds: int) -> Callable[[], dict[str, float]]:
    async def consume(begin: float) -> list[float]:
        request = {"begin": begin, "count": PER_SECOND * seconds, "rate": PER_SECOND}
        return [time.monotonic() - event["at"] async for event in graph.astream(request, stream_mode="custom")]

    async def act() -> list[float]:
        first = time.monotonic() + HEAD_START_S
        # evenly spread, so that the runs do not all write in the same instant
        begins = [first + run / (RUNS * PER_SECOND) for run in range(RUNS)]
        return [delay for found in await asyncio.gather(*map(consume, begins)) for delay in found]

    def sample() -> dict[str, float]:
        found = bench.run(act())
        assert len(found) == RUNS * PER_SECOND * seconds, len(found)
        return delays(found)

    return sample


def delays(found: Sequence[float]) -> dict[str, float]:
    """The percentiles of delays in seconds, as figures of a table."""
    ordered = sorted(found)
    return {P50: ordered[len(ordered) // 2] * 1e3, P99: ordered[len(ordered) * 99 // 100] * 1e3}
