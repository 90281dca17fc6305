"""W7: wide supersteps of large arguments: 1,000 Sends of 100 KB, 45 of 1 MB. Do they end, and what do they weigh?

Each sample has processes of its own, since peaks cannot be reset: a broker, a coordinator and two workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis

from benchmarks.graphs import GRAPHS, langgraph, wide
from benchmarks.harness import Bench, Contender, FailedSample, Table
from benchmarks.proc import peak_bytes
from benchmarks.processes import ClusterProcesses

S, COMMIT = "s", "largest commit MB"
#: bytes that all processes wrote to Redis during the run, for each byte of the Sends' arguments
SENT = "written x arguments"
COORDINATOR, WORKER, SERVER = "coordinator peak MB", "worker peak MB", "Redis peak MB"
MB = 1_000_000
#: two runs and two starts of all processes
LIMIT_S = 150.0
#: key, what it says, Sends, bytes of each
CASES = (
    ("w7", "1,000 Sends of 100 KB", 1_000, 100_000),
    ("w7 large", "45 Sends of 1 MB", 45, MB),
    ("w7 fewer", "20 Sends of 1 MB", 20, MB),
    ("w7 small", "45 Sends of 1 KB: what the processes weigh without the load", 45, 1_000),
)


def tables(bench: Bench) -> list[Table]:
    """A table for each case."""
    return [_table(bench, *case) for case in CASES]


def _table(bench: Bench, key: str, name: str, sends: int, size: int) -> Table:
    contenders = [
        Contender("drumline embedded, sync", _embedded(GRAPHS["wide"], sends, size)),
        Contender("drumline on a cluster, 2 workers, sync", lambda: _on_cluster(bench, sends, size)),
        Contender("LangGraph, sync", _embedded(wide(langgraph()).compile(), sends, size)),
    ]
    title = f"W7 {name}, invoke"
    metrics = [S, COMMIT, SENT, COORDINATOR, WORKER, SERVER]
    return Table(key, title, metrics, contenders, bench.rounds(3, least=1), bench.budget_s(60), False, LIMIT_S)


def _spread(graph: Any, sends: int, size: int) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    final = graph.invoke({"n": sends, "size": size})
    seconds = time.perf_counter() - began
    assert final["done"] == [size] * sends, len(final["done"])
    return seconds


def _embedded(graph: Any, sends: int, size: int) -> Callable[[], dict[str, float]]:
    return lambda: {S: _spread(graph, sends, size)}


def _on_cluster(bench: Bench, sends: int, size: int) -> dict[str, float]:
    """Time and memory of a run on processes that nothing disturbs; then the commits of a second run, with relays."""
    figures: dict[str, float] = {}
    errors: list[Exception] = []

    def attempt(cluster: ClusterProcesses) -> None:
        graph = cluster.client.graph("wide")
        try:
            _spread(graph, 2, 10)  # its first run finds processes that have yet to connect
            before = _written(bench)
            seconds = _spread(graph, sends, size)
            figures.setdefault(S, seconds)
            figures.setdefault(SENT, (_written(bench) - before) / (sends * size))
        except Exception as error:
            errors.append(error)

    try:
        cluster = bench.cluster(workers=2)
        attempt(cluster)
        figures |= _peaks(bench, cluster)
        bench.end_workload()
        cluster = bench.cluster(workers=2, relayed=True)
        attempt(cluster)
        relay = cluster.coordinators[0].relay
        assert relay is not None
        figures[COMMIT] = relay.largest_script_call() / MB
    finally:
        bench.end_workload()
    if errors:
        raise FailedSample(f"{type(errors[0]).__name__}: {errors[0]}", figures)
    return figures


def _written(bench: Bench) -> int:
    with redis.Redis.from_url(bench.server.url, protocol=2) as server:
        stats: Any = server.info("stats")
    return int(stats["total_net_input_bytes"])


def _peaks(bench: Bench, cluster: ClusterProcesses) -> dict[str, float]:
    """The most memory that each kind of process had; of the workers that of the one that had more."""
    with redis.Redis.from_url(bench.server.url, protocol=2) as server:
        memory: Any = server.info("memory")
    return {
        COORDINATOR: max(peak_bytes(process.pid) for process in cluster.coordinators) / MB,
        WORKER: max(peak_bytes(process.pid) for process in cluster.workers) / MB,
        SERVER: memory["used_memory_peak"] / MB,
    }
