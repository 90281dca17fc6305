"""W5: how time and bytes grow with the length of a talk: a chat of plain dicts, one of LangChain's messages, an agent.

Each step appends 1 KB, and twice as many steps should take twice the time and the bytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.graphs import GRAPHS, chat, langgraph
from benchmarks.harness import Bench, Contender, Table
from benchmarks.processes import ClusterProcesses

#: bytes for each byte of the final state, of the longer talk
STORED, SENT, FETCHED = "stored x state", "written to Redis x state", "read from Redis x state"
WORKER_READ = "read by the worker x state"


@dataclass(slots=True)
class Talk:
    """One kind of talk, in two lengths. `asked` makes the input of a talk of that many turns."""

    key: str
    name: str
    title: str
    short: int
    long: int
    asked: Callable[[int], Any]
    #: supersteps for each turn, and those beyond
    steps: int = 1
    more_steps: int = 0

    @property
    def short_ms(self) -> str:
        return f"ms ({self.short})"

    @property
    def long_ms(self) -> str:
        return f"ms ({self.long})"

    @property
    def growth(self) -> str:
        return f"time({self.long})/time({self.short})"

    @property
    def metrics(self) -> list[str]:
        return [self.short_ms, self.long_ms, self.growth, STORED, SENT, FETCHED, WORKER_READ]

    def run(self, graph: Any, turns: int, thread: str = "") -> tuple[float, Any]:
        """Milliseconds of one talk, and its stream. On a thread a cluster keeps checkpoints too: see `w5_threads`."""
        steps = turns * self.steps + self.more_steps
        config: dict[str, Any] = {"recursion_limit": steps + 5}
        if thread:
            config["configurable"] = {"thread_id": thread}
        began = time.perf_counter()
        stream = graph.stream(self.asked(turns), config, stream_mode="updates")
        items = sum(1 for _ in stream)
        assert items == steps, items
        return (time.perf_counter() - began) * 1e3, stream

    def times(self, short: float, long: float) -> dict[str, float]:
        """The figures of time."""
        return {self.short_ms: short, self.long_ms: long, self.growth: long / short}


def _empty(turns: int) -> Any:
    return {"messages": [], "turns": turns}


def _question(turns: int) -> Any:
    return {"messages": [("user", str(turns))]}


CHAT = Talk("w5", "W5", "chat of 200 and 400 steps", 200, 400, _empty)
MESSAGES = Talk(
    "w5 messages", "W5 LangChain messages", "chat of LangChain messages, 200 and 400 steps", 200, 400, _empty
)
AGENT = Talk(
    "w5 agent", "W5 agent", "create_react_agent over 50 and 100 tool turns", 50, 100, _question, steps=2, more_steps=1
)


def tables(bench: Bench) -> list[Table]:
    """Three tables. Bytes are counted where there are any: in Redis, and in what the InMemorySaver keeps."""
    from benchmarks import agents

    message_chat = agents.langgraph_message_chat()
    plain = bench.cluster(workers=1)
    with_langchain = bench.cluster(workers=1, app="benchmarks.agents:GRAPHS")
    return [
        _table(bench, CHAT, GRAPHS["chat"], chat(langgraph()).compile, plain),
        _table(bench, MESSAGES, agents.GRAPHS["messages"], message_chat.compile, with_langchain),
        _table(bench, AGENT, agents.GRAPHS["agent"], agents.langgraph_agent, with_langchain),
    ]


def _table(bench: Bench, talk: Talk, embedded: Any, build: Callable[..., Any], cluster: ClusterProcesses) -> Table:
    from langgraph.checkpoint.memory import InMemorySaver

    size = state_bytes(embedded.invoke(talk.asked(talk.long), {"recursion_limit": 3 * talk.long}))
    contenders = [
        Contender("drumline embedded, sync", _embedded(talk, embedded)),
        Contender("drumline on a cluster, sync", _cluster(bench, talk, cluster, embedded.name, size)),
        Contender("LangGraph, sync", _embedded(talk, build())),
        Contender("LangGraph + InMemorySaver, sync", _kept(talk, build, InMemorySaver, size)),
    ]
    title = f"W5 {talk.title}, 1 KB appended each, stream(updates)"
    return Table(talk.key, title, talk.metrics, contenders, bench.rounds(15), bench.budget_s(40))


def state_bytes(state: Mapping[str, Any]) -> int:
    """The final state as compact JSON; of a message what is not at its default."""

    def plain(value: Any) -> Any:
        return value.model_dump(exclude_defaults=True, mode="json") | {"type": value.type}

    return len(json.dumps(state, separators=(",", ":"), default=plain))


def _embedded(talk: Talk, graph: Any) -> Callable[[], dict[str, float]]:
    return lambda: talk.times(talk.run(graph, talk.short)[0], talk.run(graph, talk.long)[0])


def _kept(talk: Talk, build: Callable[..., Any], saver_class: Any, size: int) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        short = talk.run(build(checkpointer=saver_class()), talk.short, "-")[0]
        saver = saver_class()
        long = talk.run(build(checkpointer=saver), talk.long, "-")[0]
        kept = sum(map(bytes_in, (saver.storage, saver.writes, saver.blobs)))
        return {**talk.times(short, long), STORED: kept / size}

    return sample


def bytes_in(thing: Any) -> int:
    """Lengths of all bytes inside dicts, lists and tuples."""
    if isinstance(thing, bytes):
        return len(thing)
    if isinstance(thing, dict):
        return sum(map(bytes_in, thing.values()))
    return sum(map(bytes_in, thing)) if isinstance(thing, (list, tuple)) else 0


def _cluster(
    bench: Bench, talk: Talk, cluster: ClusterProcesses, name: str, size: int
) -> Callable[[], dict[str, float]]:
    server: Any = redis.Redis.from_url(bench.server.url, protocol=2)
    bench.defer(server.close)
    graph = cluster.client.graph(name)
    read: list[float] = []

    def sample() -> dict[str, float]:
        if not read:  # in the round that warms up; bytes do not move
            read.append(_worker_reads(bench, talk, cluster.app, name))
        short = talk.run(graph, talk.short)[0]
        there = set(server.scan_iter(count=1000))
        before = server.info("stats")
        long, _ = talk.run(graph, talk.long)
        after = server.info("stats")
        left = set(server.scan_iter(count=1000)) - there
        stored = sum(server.memory_usage(key, samples=0) or 0 for key in left)
        return {
            **talk.times(short, long),
            STORED: stored / size,
            SENT: (after["total_net_input_bytes"] - before["total_net_input_bytes"]) / size,
            FETCHED: (after["total_net_output_bytes"] - before["total_net_output_bytes"]) / size,
            WORKER_READ: read[0] / size,
        }

    return sample


def _worker_reads(bench: Bench, talk: Talk, app: str, name: str) -> int:
    """Bytes that the worker reads in the longer talk, on a cluster of its own whose processes have relays."""
    cluster = bench.cluster(workers=1, app=app, relayed=True)
    relay = cluster.workers[0].relay
    assert relay is not None
    before = relay.read
    talk.run(cluster.client.graph(name), talk.long)
    read = relay.read - before
    cluster.close()
    return read
