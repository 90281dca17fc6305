"""W1: a linear graph of 100 trivial nodes. The time of one superstep: plan, run, merge, commit, stream."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.bare import AsyncPing, Ping
from benchmarks.graphs import GRAPHS, LINEAR_NODES, aplus_one, chain, langgraph, plus_one
from benchmarks.harness import Bench, Contender, Table

US = "us/superstep"


def tables(bench: Bench) -> list[Table]:
    """One table: embedded and LangGraph with and without memory, the cluster as four processes, the bare loop."""
    from langgraph.checkpoint.memory import InMemorySaver

    lib = langgraph()
    saver = InMemorySaver()
    plain, aplain = chain(lib, LINEAR_NODES, plus_one), chain(lib, LINEAR_NODES, aplus_one)
    cluster = bench.cluster(workers=1)
    ping, aping = Ping(bench.server.url), AsyncPing(bench.server.url)
    bench.defer(ping.close)
    bench.defer(lambda: bench.run(aping.close()))
    bench.bare_peer("echo")
    bench.bare_peer("aecho")
    contenders = [
        Contender("drumline embedded, sync", _sync(GRAPHS["linear"])),
        Contender("drumline embedded, async", _async(bench, GRAPHS["alinear"])),
        Contender("drumline on a cluster, sync", _sync(cluster.client.graph("linear"))),
        Contender("drumline on a cluster, async", _async(bench, cluster.client.graph("alinear"))),
        Contender("LangGraph, sync", _sync(plain.compile())),
        Contender("LangGraph, async", _async(bench, aplain.compile())),
        Contender("LangGraph + InMemorySaver, sync", _sync(plain.compile(checkpointer=saver), saver)),
        Contender("LangGraph + InMemorySaver, async", _async(bench, aplain.compile(checkpointer=saver), saver)),
        Contender("bare Redis loop, redis-py sync", _timed(lambda: ping.one_by_one(LINEAR_NODES))),
        Contender("bare Redis loop, redis-py asyncio", _atimed(bench, lambda: aping.one_by_one(LINEAR_NODES))),
    ]
    title = f"W1 linear graph of {LINEAR_NODES} trivial nodes, stream(updates)"
    return [Table("w1", title, [US], contenders, bench.rounds(25), bench.budget_s(15))]


def _timed(act: Callable[[], Any]) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        began = time.perf_counter()
        act()
        return {US: (time.perf_counter() - began) / LINEAR_NODES * 1e6}

    return sample


def _atimed(bench: Bench, act: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], dict[str, float]]:
    async def timed() -> float:
        began = time.perf_counter()
        await act()
        return (time.perf_counter() - began) / LINEAR_NODES * 1e6

    return lambda: {US: bench.run(timed())}


def _sync(graph: Any, saver: Any = None) -> Callable[[], dict[str, float]]:
    def act() -> None:
        thread = uuid.uuid4().hex
        config = {"configurable": {"thread_id": thread}} if saver else None
        items = sum(1 for _ in graph.stream({"n": 0}, config, stream_mode="updates"))
        assert items == LINEAR_NODES, items
        if saver:
            saver.delete_thread(thread)

    return _timed(act)


def _async(bench: Bench, graph: Any, saver: Any = None) -> Callable[[], dict[str, float]]:
    async def act() -> None:
        thread = uuid.uuid4().hex
        config = {"configurable": {"thread_id": thread}} if saver else None
        items = 0
        async for _ in graph.astream({"n": 0}, config, stream_mode="updates"):
            items += 1
        assert items == LINEAR_NODES, items
        if saver:
            saver.delete_thread(thread)

    return _atimed(bench, act)
