"""W1 by CPU: what a superstep costs each process, by /proc/<pid>/stat over some thousand supersteps.

CPU time barely moves with the load of the machine, unlike the wall clock of a path through four processes.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.graphs import GRAPHS, LINEAR_NODES, chain, langgraph, plus_one
from benchmarks.harness import Bench, Contender, Table
from benchmarks.proc import cpu_seconds

COORDINATOR, WORKER, SERVER, CLIENT = "coordinator us", "worker us", "Redis us", "client us"
ALL, WALL = "all us", "wall us"
#: what each process may take for a superstep, in us
BOUNDS = {COORDINATOR: 90.0, WORKER: 90.0, SERVER: 90.0, CLIENT: 40.0}
#: runs of one sample: the kernel counts in ticks of 10 ms
RUNS, QUICK_RUNS = 100, 30


def tables(bench: Bench) -> list[Table]:
    """One table: the cluster, sync and async, and beside it what runs in this process alone."""
    from langgraph.checkpoint.memory import InMemorySaver

    cluster = bench.cluster(workers=1)
    graph, agraph = cluster.client.graph("linear"), cluster.client.graph("alinear")
    server = bench.server.pid
    assert server is not None
    others = {COORDINATOR: cluster.coordinators[0].pid, WORKER: cluster.workers[0].pid, SERVER: server}
    saver = InMemorySaver()
    builder = chain(langgraph(), LINEAR_NODES, plus_one)
    plain, kept = builder.compile(), builder.compile(checkpointer=saver)
    runs = QUICK_RUNS if bench.quick else RUNS
    contenders = [
        Contender("drumline on a cluster, sync", _counted(lambda: _sync(graph), runs, others)),
        Contender("drumline on a cluster, async", _counted(lambda: bench.run(_async(agraph)), runs, others)),
        Contender("drumline embedded, sync", _counted(lambda: _sync(GRAPHS["linear"]), runs, {})),
        Contender("LangGraph, sync", _counted(lambda: _sync(plain), runs, {})),
        Contender("LangGraph + InMemorySaver, sync", _counted(lambda: _sync(kept, saver), runs, {})),
    ]
    title = f"W1 by CPU: us of each process for a superstep, over {runs * LINEAR_NODES:,} supersteps, stream(updates)"
    return [Table("w1cpu", title, [*BOUNDS, ALL, WALL], contenders, bench.rounds(5), bench.budget_s(60), warm=False)]


def _counted(act: Callable[[], int], runs: int, others: Mapping[str, int]) -> Callable[[], dict[str, float]]:
    """CPU of this process and of the `others`, each with its renewer."""
    supersteps = runs * LINEAR_NODES

    def sample() -> dict[str, float]:
        assert act() == LINEAR_NODES  # connects
        before, own, began = cpu_seconds(others.values()), _own_seconds(), time.perf_counter()
        for _ in range(runs):
            items = act()
            assert items == LINEAR_NODES, items
        wall = time.perf_counter() - began
        own = _own_seconds() - own
        after = cpu_seconds(others.values())
        seconds = {name: after[pid] - before[pid] for name, pid in others.items()} | {CLIENT: own}
        return {
            name: took / supersteps * 1e6 for name, took in {**seconds, ALL: sum(seconds.values()), WALL: wall}.items()
        }

    return sample


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system


def _sync(graph: Any, saver: Any = None) -> int:
    """One run. Without a saver it is on no thread: a cluster would keep the checkpoints of one."""
    if saver is None:
        return sum(1 for _ in graph.stream({"n": 0}, stream_mode="updates"))
    thread = uuid.uuid4().hex
    items = sum(1 for _ in graph.stream({"n": 0}, {"configurable": {"thread_id": thread}}, stream_mode="updates"))
    saver.delete_thread(thread)
    return items


async def _async(graph: Any) -> int:
    items = 0
    async for _ in graph.astream({"n": 0}, stream_mode="updates"):
        items += 1
    return items
