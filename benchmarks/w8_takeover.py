"""W8: what the length of a run costs those who come late: a new owner after `kill -9`, and clients at the end.

Two coordinators share one partition, so that one owns it and the other waits. The owner is killed when the run has made
so many steps. The figures of a run of 50 steps and of one of 5,000 should be the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.harness import Bench, Contender, Table
from benchmarks.processes import ClusterProcesses, Process
from drumline import Cluster

#: custom events of each step
EVENTS = 20
#: steps beyond those after which the owner is killed: the run must still be going on then
MORE_STEPS = 500
CASES = (50, 5_000)
#: from the kill: to the lease of the new owner, from there to the next fact, and both
LEASE_MS, FACT_MS, BOTH_MS = "kill to lease ms", "lease to next fact ms", "kill to next fact ms"
OWNER_KB, LOG_KB = "read by the new owner KB", "log KB"
JOIN_MS, JOIN_KB = "late result ms", "late result KB"
STREAM_MS, STREAM_KB = "late stream ms", "late stream KB"
#: a stream that is joined late gets so many items
LATE_ITEMS = 100
#: the start of all processes, the run, the lease that runs out, the rest of the run
LIMIT_S = 120.0
#: how long one look at the log waits before the next look at the lease
_LOOK_MS = 2


@dataclass(slots=True)
class Seen:
    """What of a run can be seen in the broker, at one time."""

    log: str
    lease: str
    last: str
    epoch: bytes

    @property
    def log_epoch(self) -> str:
        return self.last.partition("-")[0]


def tables(bench: Bench) -> list[Table]:
    """One table: a row for each length."""
    contenders = [Contender(name_of(steps), _case(bench, steps)) for steps in CASES]
    title = (
        f"W8 takeover after kill -9, and late clients for the output and for the last items ({MORE_STEPS} steps later)"
    )
    metrics = [LEASE_MS, FACT_MS, BOTH_MS, OWNER_KB, LOG_KB, JOIN_MS, JOIN_KB, STREAM_MS, STREAM_KB]
    return [Table("w8", title, metrics, contenders, bench.rounds(5), bench.budget_s(90), warm=False, limit_s=LIMIT_S)]


def name_of(steps: int) -> str:
    """The row of a run of that length."""
    return f"a run of {steps:,} steps, {steps * EVENTS:,} events"


def _case(bench: Bench, steps: int) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        cluster = bench.cluster(workers=1, coordinators=2, partitions=1, relayed=True)
        with redis.Redis.from_url(bench.server.url, protocol=2, decode_responses=False) as server:
            try:
                return _take_over(bench, cluster, server, steps)
            finally:
                cluster.close()

    return sample


def _take_over(bench: Bench, cluster: ClusterProcesses, server: Any, steps: int) -> dict[str, float]:
    graph = cluster.client.graph("ticks")
    total = steps + MORE_STEPS
    stream = graph.stream(
        {"turns": total, "events": EVENTS},
        {"recursion_limit": total + 5},
        stream_mode=["values", "custom"],
        on_close="continue",
    )
    left = next(state["turns"] for mode, state in stream if mode == "values" and state["turns"] <= MORE_STEPS)
    assert left > 0
    owner, heir = _owner_and_heir(cluster, server)
    relay = heir.relay
    assert relay is not None
    owner.kill()
    killed = time.perf_counter()
    read = relay.read
    seen = _look(cluster, server, stream.run_id)
    leased, told = _await_fact(server, seen)
    owner_read = relay.read - read
    log_bytes = server.memory_usage(seen.log, samples=0) or 0
    position = stream.position
    stream.close()
    return {
        LEASE_MS: (leased - killed) * 1e3,
        FACT_MS: (told - leased) * 1e3,
        BOTH_MS: (told - killed) * 1e3,
        OWNER_KB: owner_read / 1e3,
        LOG_KB: log_bytes / 1e3,
        **_join(bench, cluster, stream.run_id, position),
    }


def _owner_and_heir(cluster: ClusterProcesses, server: Any) -> tuple[Process, Process]:
    """The coordinator that holds the partition, and the other one."""
    name = server.hget(_lease_key(cluster), "owner").decode().partition("#")[0]
    first, second = cluster.coordinators
    return {"c0": (first, second), "c1": (second, first)}[name]


def _lease_key(cluster: ClusterProcesses) -> str:
    return f"{{{cluster.prefix}:0}}:lease"


def _look(cluster: ClusterProcesses, server: Any, run_id: str) -> Seen:
    (log,) = server.scan_iter(f"*:log:{run_id}", count=1000)
    ((last, _),) = server.xrevrange(log, count=1)
    lease = _lease_key(cluster)
    return Seen(log.decode(), lease, last.decode(), server.hget(lease, "epoch"))


def _await_fact(server: Any, seen: Seen) -> tuple[float, float]:
    """When the lease had a new owner, and when the log had a fact of its. The caller's sample has a time limit."""
    leased = 0.0
    last = seen.last
    while True:
        if not leased and server.hget(seen.lease, "epoch") != seen.epoch:
            leased = time.perf_counter()
        for _, entries in server.xread({seen.log: last}, count=1000, block=_LOOK_MS) or ():
            for entry, _ in entries:
                last = entry.decode()
                if last.partition("-")[0] != seen.log_epoch:
                    now = time.perf_counter()
                    return leased or now, now


def _join(bench: Bench, cluster: ClusterProcesses, run_id: str, position: str) -> dict[str, float]:
    """Clients that nothing was told of the run, when it has ended: one asks for its output, one for its last items."""
    cluster.client.result(run_id)
    near_end = _near_end(cluster.client, run_id, position)
    output, figures = _measured(bench, cluster, JOIN_MS, JOIN_KB, lambda late: late.result(run_id))
    assert output["turns"] == 0, output
    items, more = _measured(
        bench,
        cluster,
        STREAM_MS,
        STREAM_KB,
        lambda late: list(late.join(run_id, near_end, stream_mode=["values", "custom"])),
    )
    assert len(items) == LATE_ITEMS, len(items)
    return {**figures, **more}


def _near_end(client: Cluster, run_id: str, position: str) -> str:
    """The position so many items before the end of the run."""
    stream = client.join(run_id, position, stream_mode=["values", "custom"])
    return [stream.position for _ in stream][-1 - LATE_ITEMS]


def _measured(
    bench: Bench, cluster: ClusterProcesses, ms: str, kb: str, ask: Callable[[Cluster], Any]
) -> tuple[Any, dict[str, float]]:
    """What a new client gets that is connected already, how long that takes, and what it reads for it."""
    relay = bench.relay()
    with Cluster(relay.url, prefix=cluster.prefix) as late:
        late.broker()
        read, began = relay.read, time.perf_counter()
        found = ask(late)
        figures = {ms: (time.perf_counter() - began) * 1e3, kb: (relay.read - read) / 1e3}
    relay.close()
    return found, figures
