"""W5 with a thread: a talk of 1 KB per turn that is kept, by savers of drumline and LangGraph and on a cluster.

In the first two tables a talk is one run, whose turns are supersteps. In the others each turn is a run: somebody says
500 characters, and a node answers 500; that is what agents do with threads.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis

from benchmarks.graphs import GRAPHS, TURN_CHARS, chat, drumline, langgraph, talk
from benchmarks.harness import Bench, Contender, Table
from benchmarks.processes import ClusterProcesses
from benchmarks.w5_chat import CHAT, Talk, state_bytes
from benchmarks.w5_savers import (
    Opens,
    has_postgres,
    our_memory,
    our_sqlite,
    their_memory,
    their_postgres,
    their_sqlite,
)

STORED, WRITTEN, READ = "stored x state", "written x state", "ms to read the newest"
_LONG = Talk("w5 long thread", "W5 long thread", "chat", 400, 2000, CHAT.asked)

#: turns of a talk, of which each is a run
TURNS, TURNS_LONG = 400, 2000
FIRST, LAST, STATE = "ms per turn, first tenth", "ms per turn, last tenth", "ms for get_state"
#: CPU of this process, which the load of the machine moves less
CPU_FIRST, CPU_LAST = "CPU ms per turn, first tenth", "CPU ms per turn, last tenth"

Sample = Callable[[], dict[str, float]]


def tables(bench: Bench) -> list[Table]:
    """Talks that are one run, of 200 and 400 and of 400 and 2,000 steps; talks of 400 and of 2,000 runs."""
    return [*_of_one_run(bench), *_of_many_runs(bench)]


# -- a talk is one run ----------------------------------------------------------------------------


def _of_one_run(bench: Bench) -> list[Table]:
    ours, theirs = chat(drumline()).compile, chat(langgraph()).compile
    size = {
        kind.long: state_bytes(ours().invoke(kind.asked(kind.long), {"recursion_limit": 3 * kind.long}))
        for kind in (CHAT, _LONG)
    }
    short = [
        Contender("drumline, InMemorySaver", _kept(CHAT, ours, our_memory, size)),
        Contender("drumline, SqliteSaver", _kept(CHAT, ours, our_sqlite, size)),
        Contender("drumline, SqliteSaver, durability sync", _kept(CHAT, ours, our_sqlite, size, "sync")),
        Contender("drumline, LangGraph's InMemorySaver", _kept(CHAT, ours, their_memory, size)),
        Contender("LangGraph, InMemorySaver", _kept(CHAT, theirs, their_memory, size)),
        Contender("LangGraph, SqliteSaver", _kept(CHAT, theirs, their_sqlite, size)),
    ]
    if has_postgres():
        short.append(Contender("LangGraph, PostgresSaver", _kept(CHAT, theirs, their_postgres, size)))
    long = [
        Contender("drumline, InMemorySaver", _kept(_LONG, ours, our_memory, size)),
        Contender("drumline, SqliteSaver", _kept(_LONG, ours, our_sqlite, size)),
    ]
    title = "W5 with a thread, one run of {} and one of {} turns of 1 KB"
    return [
        Table("w5 thread", title.format(200, 400), _metrics(CHAT), short, bench.rounds(5), bench.budget_s(60)),
        Table("w5 long thread", title.format(400, 2000), _metrics(_LONG), long, bench.rounds(3), bench.budget_s(60)),
    ]


def _metrics(kind: Talk) -> list[str]:
    return [kind.short_ms, kind.long_ms, kind.growth, STORED, WRITTEN, READ]


def _kept(
    kind: Talk, build: Callable[..., Any], opened: Opens, sizes: dict[int, int], durability: str | None = None
) -> Sample:
    def sample() -> dict[str, float]:
        with opened() as found:
            short, _stream = kind.run(_Durable(build(checkpointer=found.saver), durability), kind.short, "-")
        with opened() as found:
            before = found.written() if found.written else 0
            long, _stream = kind.run(_Durable(build(checkpointer=found.saver), durability), kind.long, "-")
            written = {WRITTEN: (found.written() - before) / sizes[kind.long]} if found.written else {}
            began = time.perf_counter()
            found.saver.get_tuple({"configurable": {"thread_id": "-", "checkpoint_ns": ""}})
            read = (time.perf_counter() - began) * 1e3
            return {**kind.times(short, long), STORED: found.held() / sizes[kind.long], **written, READ: read}

    return sample


class _Durable:
    """A graph whose calls have a `durability`."""

    def __init__(self, graph: Any, durability: str | None) -> None:
        self._graph = graph
        self._named = {} if durability is None else {"durability": durability}

    def stream(self, *given: Any, **named: Any) -> Any:
        """The graph's stream."""
        return self._graph.stream(*given, **named, **self._named)


# -- each turn is a run ---------------------------------------------------------------------------


def _of_many_runs(bench: Bench) -> list[Table]:
    ours, theirs, cluster = talk(drumline()).compile, talk(langgraph()).compile, bench.cluster(workers=1)
    server: Any = redis.Redis.from_url(bench.server.url, protocol=2)
    bench.defer(server.close)
    short, long = (100, 400) if bench.quick else (TURNS, TURNS_LONG)

    def own(turns: int) -> list[Contender]:
        return [
            Contender("drumline, InMemorySaver", _talked(ours, our_memory, turns)),
            Contender("drumline, SqliteSaver", _talked(ours, our_sqlite, turns)),
            Contender("drumline on a cluster", _talked_there(cluster, server, turns)),
        ]

    beside = [
        Contender("LangGraph, InMemorySaver", _talked(theirs, their_memory, short)),
        Contender("LangGraph, SqliteSaver", _talked(theirs, their_sqlite, short)),
    ]
    if has_postgres():
        beside.append(Contender("LangGraph, PostgresSaver", _talked(theirs, their_postgres, short)))
    metrics = [FIRST, LAST, CPU_FIRST, CPU_LAST, STORED, WRITTEN, STATE]
    title = "W5 with a thread, {} runs on it, 1 KB each"
    how: dict[str, Any] = {"warm": False, "limit_s": 300}
    return [
        Table("w5 turns", title.format(short), metrics, [*own(short), *beside], 2, bench.budget_s(60), **how),
        Table("w5 long turns", title.format(f"{long:,}"), metrics, own(long), 2, bench.budget_s(60), **how),
    ]


def talk_of(graph: Any, turns: int) -> tuple[dict[str, float], dict[str, Any], int]:
    """Times of a talk, its config, and the size of its last state."""
    config: dict[str, Any] = {"configurable": {"thread_id": uuid.uuid4().hex}}
    taken: list[float] = []
    cpu: list[float] = []
    state: Any = None
    for number in range(turns):
        given = {"messages": [{"role": "user", "content": f"{number:06d}".ljust(TURN_CHARS // 2, ".")}]}
        began, began_cpu = time.perf_counter(), time.process_time()
        state = graph.invoke(given, config)
        taken.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - began_cpu) * 1e3)
    assert len(state["messages"]) == 2 * turns
    tenth = turns // 10
    early, late = slice(tenth // 2, tenth + tenth // 2), slice(turns - tenth, turns)
    figures = {
        FIRST: statistics.median(taken[early]),
        LAST: statistics.median(taken[late]),
        CPU_FIRST: statistics.median(cpu[early]),
        CPU_LAST: statistics.median(cpu[late]),
    }
    return figures, config, state_bytes(state)


def _ms_to_get(graph: Any, config: Any, turns: int) -> float:
    began = time.perf_counter()
    found = graph.get_state(config)
    taken = (time.perf_counter() - began) * 1e3
    assert len(found.values["messages"]) == 2 * turns
    return taken


def _talked(build: Callable[..., Any], opened: Opens, turns: int) -> Sample:
    def sample() -> dict[str, float]:
        with opened() as found:
            graph = build(checkpointer=found.saver)
            before = found.written() if found.written else 0
            times, config, size = talk_of(graph, turns)
            written = {WRITTEN: (found.written() - before) / size} if found.written else {}
            state = _ms_to_get(graph, config, turns)
            return {**times, STORED: found.held() / size, **written, STATE: state}

    return sample


def _talked_there(cluster: ClusterProcesses, server: Any, turns: int) -> Sample:
    graph = cluster.client.graph("talk", graph=GRAPHS["talk"])

    def sample() -> dict[str, float]:
        there = set(server.scan_iter(count=1000))
        before = server.info("stats")["total_net_input_bytes"]
        times, config, size = talk_of(graph, turns)
        written = server.info("stats")["total_net_input_bytes"] - before
        left = set(server.scan_iter(count=1000)) - there
        stored = sum(server.memory_usage(key, samples=0) or 0 for key in left)
        state = _ms_to_get(graph, config, turns)
        return {**times, STORED: stored / size, WRITTEN: written / size, STATE: state}

    return sample
