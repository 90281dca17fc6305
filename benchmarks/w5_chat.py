"""W5: a chat whose history grows by 1 KB a step. How time and bytes grow with it, for 200 and for 400 steps."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis

from benchmarks.graphs import GRAPHS, chat, langgraph
from benchmarks.harness import Bench, Contender, Table
from benchmarks.processes import ClusterProcesses

SHORT, LONG = 200, 400
SHORT_MS, LONG_MS, GROWTH = f"ms ({SHORT})", f"ms ({LONG})", "time(400)/time(200)"
#: bytes for each byte of the final state, 400 steps
STORED, SENT, FETCHED = "stored x state", "written to Redis x state", "read from Redis x state"


def tables(bench: Bench) -> list[Table]:
    """One table. Bytes are counted where there are any: in Redis, and in what the InMemorySaver keeps."""
    from langgraph.checkpoint.memory import InMemorySaver

    lib = langgraph()
    cluster = bench.cluster(workers=1)
    builder = chat(lib)
    contenders = [
        Contender("drumline embedded, sync", _embedded(GRAPHS["chat"])),
        Contender("drumline on a cluster, sync", _cluster(bench, cluster)),
        Contender("LangGraph, sync", _embedded(builder.compile())),
        Contender("LangGraph + InMemorySaver, sync", _kept(builder, InMemorySaver)),
    ]
    title = f"W5 chat of {SHORT} and {LONG} steps, 1 KB appended each, stream(updates)"
    metrics = [SHORT_MS, LONG_MS, GROWTH, STORED, SENT, FETCHED]
    return [Table("w5", title, metrics, contenders, bench.rounds(9), bench.budget_s(15))]


def _talk(graph: Any, turns: int, thread: str) -> tuple[float, Any]:
    """Milliseconds of one run, and its stream."""
    config = {"recursion_limit": turns + 5, "configurable": {"thread_id": thread}}
    began = time.perf_counter()
    stream = graph.stream({"messages": [], "turns": turns}, config, stream_mode="updates")
    items = sum(1 for _ in stream)
    assert items == turns, items
    return (time.perf_counter() - began) * 1e3, stream


def _times(short: float, long: float) -> dict[str, float]:
    return {SHORT_MS: short, LONG_MS: long, GROWTH: long / short}


def state_bytes(turns: int) -> int:
    """The final state as compact JSON."""
    lib_free = [{"role": "ai", "content": "." * 1000}] * turns
    return len(json.dumps({"messages": lib_free, "turns": 0}, separators=(",", ":")))


def _embedded(graph: Any) -> Callable[[], dict[str, float]]:
    return lambda: _times(_talk(graph, SHORT, "-")[0], _talk(graph, LONG, "-")[0])


def _kept(builder: Any, saver_class: Any) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        short = _talk(builder.compile(checkpointer=saver_class()), SHORT, "-")[0]
        saver = saver_class()
        long = _talk(builder.compile(checkpointer=saver), LONG, "-")[0]
        kept = sum(map(_bytes_in, (saver.storage, saver.writes, saver.blobs)))
        return {**_times(short, long), STORED: kept / state_bytes(LONG)}

    return sample


def _bytes_in(thing: Any) -> int:
    """Lengths of all bytes inside dicts, lists and tuples."""
    if isinstance(thing, bytes):
        return len(thing)
    if isinstance(thing, dict):
        return sum(map(_bytes_in, thing.values()))
    return sum(map(_bytes_in, thing)) if isinstance(thing, (list, tuple)) else 0


def _cluster(bench: Bench, cluster: ClusterProcesses) -> Callable[[], dict[str, float]]:
    server: Any = redis.Redis.from_url(bench.server.url, protocol=2)
    bench.defer(server.close)
    graph = cluster.client.graph("chat")

    def sample() -> dict[str, float]:
        short = _talk(graph, SHORT, uuid.uuid4().hex)[0]
        before = server.info("stats")
        long, stream = _talk(graph, LONG, uuid.uuid4().hex)
        after = server.info("stats")
        keys = list(server.scan_iter(f"*{stream.run_id}*", count=1000))
        stored = sum(server.memory_usage(key, samples=0) or 0 for key in keys)
        size = state_bytes(LONG)
        return {
            **_times(short, long),
            STORED: stored / size,
            SENT: (after["total_net_input_bytes"] - before["total_net_input_bytes"]) / size,
            FETCHED: (after["total_net_output_bytes"] - before["total_net_output_bytes"]) / size,
        }

    return sample
