"""W6: tokens of a LangChain model. As fast as one model can say them, and 20 runs whose models say 50 a second each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from benchmarks.bare import Tail
from benchmarks.harness import Bench, Contender, Table
from benchmarks.w4_events import HEAD_START_S, P50, P99, delays

COUNT = 2_000
RATE, US = "tokens/s", "us/token"
RUNS, PER_SECOND = 20, 50


def tables(bench: Bench) -> list[Table]:
    """Two tables: what a token costs, and the time from the model to the consumer of a paced stream."""
    from benchmarks.models import GRAPHS

    cluster = bench.cluster(app="benchmarks.models:GRAPHS", workers=1, concurrency=RUNS + 12)
    tail = Tail(bench.server.url)
    bench.defer(tail.close)
    bench.bare_peer("source")
    bench.bare_peer("forward")
    fast = [
        Contender("the model alone, no graph", _alone),
        Contender("drumline embedded, sync", _burst(GRAPHS["tokens"])),
        Contender("drumline on a cluster, sync", _burst(cluster.client.graph("tokens"))),
        Contender("LangGraph's graph on a cluster, sync", _burst(cluster.client.graph("langgraph_tokens"))),
        Contender("LangGraph, sync", _burst(GRAPHS["langgraph_tokens"])),
    ]
    seconds = 2 if bench.quick else 4
    adapted = cluster.client.graph("langgraph_paced_tokens")
    slow = [
        Contender("drumline embedded, async", _paced(bench, GRAPHS["paced_tokens"], seconds)),
        Contender("drumline on a cluster, async", _paced(bench, cluster.client.graph("paced_tokens"), seconds)),
        Contender("LangGraph's graph on a cluster, async", _paced(bench, adapted, seconds)),
        Contender("LangGraph, async", _paced(bench, GRAPHS["langgraph_paced_tokens"], seconds)),
        Contender("bare two-hop path, redis-py", lambda: delays(tail.paced(RUNS, PER_SECOND, PER_SECOND * seconds))),
    ]
    title = f"W6 {COUNT:,} tokens of a LangChain chat model, as fast as it goes, stream(messages)"
    paced_title = f"W6 {RUNS} models x {PER_SECOND} tokens/s for {seconds} s: from the model to the consumer"
    return [
        Table("w6", title, [US, RATE], fast, bench.rounds(15, least=3), bench.budget_s(20)),
        Table("w6 paced", paced_title, [P50, P99], slow, bench.rounds(3, least=1), bench.budget_s(45), warm=False),
    ]


def _alone() -> dict[str, float]:
    """What LangChain takes for the tokens and for the answer that it makes of them, with nobody listening."""
    from benchmarks.models import TALKER

    began = time.perf_counter()
    TALKER.invoke("go", count=COUNT, stream=True)
    return _figures(time.perf_counter() - began)


def _burst(graph: Any) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        began = time.perf_counter()
        items = sum(1 for _ in graph.stream({"n": COUNT}, stream_mode="messages"))
        seconds = time.perf_counter() - began
        assert items == COUNT + 1, items  # LangChain ends an answer with an empty chunk
        return _figures(seconds)

    return sample


def _figures(seconds: float) -> dict[str, float]:
    return {US: seconds / COUNT * 1e6, RATE: COUNT / seconds}


def _paced(bench: Bench, graph: Any, seconds: int) -> Callable[[], dict[str, float]]:
    async def consume(begin: float) -> list[float]:
        request = {"begin": begin, "count": PER_SECOND * seconds, "rate": PER_SECOND}
        found = []
        async for message, _ in graph.astream(request, stream_mode="messages"):
            if message.content:
                found.append(time.monotonic() - float(message.content))
        return found

    async def act() -> list[float]:
        first = time.monotonic() + HEAD_START_S
        # evenly spread, so that the models do not all speak in the same instant
        begins = [first + run / (RUNS * PER_SECOND) for run in range(RUNS)]
        return [delay for found in await asyncio.gather(*map(consume, begins)) for delay in found]

    def sample() -> dict[str, float]:
        found = bench.run(act())
        assert len(found) == RUNS * PER_SECOND * seconds, len(found)
        return delays(found)

    return sample
