"""Somebody goes on with what a killed process did, and no token is missing or told twice (SIGKILL, real processes).

How long that took is printed, never judged: the machine may be busy. `benchmarks` measures it (W8).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tests.cluster.conftest import pids_in
from tests.cluster.processes import Processes
from tests.cluster.test_kills import owner_of

from drumline import Cluster
from drumline_protocol.limits import COORDINATOR_LEASE_MS, TASK_LEASE_MS

pytestmark = [pytest.mark.cluster, pytest.mark.full]
Make = Callable[..., tuple[Processes, Cluster]]

KILLS = 10
#: a node that speaks for longer than any takeover takes
LONG: dict[str, Any] = {"count": 700, "pause_s": 0.005}
LEASES = ("--lease-ms", str(COORDINATOR_LEASE_MS), "--task-lease-ms", str(TASK_LEASE_MS))


def report(what: str, took: list[float]) -> None:
    print(f"\ntakeover of {what}: p50 {median(took):.2f} s, max {max(took):.2f} s of {len(took)} kills")


class Reader(threading.Thread):
    """Reads a run's tokens, and notes when each came."""

    def __init__(self, stream: Any) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.tokens: list[int] = []
        self.times: list[float] = []
        self.speaks = threading.Event()
        self.start()

    def run(self) -> None:
        for item in self._stream:
            self.tokens.append(item["token"])
            self.times.append(time.monotonic())
            if item["token"] == 40:
                self.speaks.set()

    def silence_after(self, killed: float) -> float:
        """From the kill to the first token behind the longest pause."""
        times = [killed, *(at for at in self.times if at > killed)]
        _, until = max((b - a, b) for a, b in pairwise(times))
        return until - killed


@pytest.mark.timeout(300)
def test_takeover_of_a_killed_coordinator(cluster_of: Make, mark: Path) -> None:
    processes, cluster = cluster_of(coordinators=0, workers=0)
    for name in ("k0", "k1"):
        processes.start("coordinator", name, *LEASES)
    for name in ("w0", "w1"):
        processes.start("worker", name)
    took = []
    for number in range(KILLS):
        stream = cluster.graph("tokens").stream({**LONG, "mark": str(mark)}, stream_mode="custom")
        reader = Reader(stream)
        assert reader.speaks.wait(20)
        owner = owner_of(cluster, stream.run_id)
        processes.roles[owner].kill()
        killed = time.monotonic()
        processes.start("coordinator", f"k{number + 2}", *LEASES)
        reader.join(timeout=30)
        assert reader.tokens == list(range(LONG["count"]))
        took.append(reader.silence_after(killed))
    report("coordinators", took)


@pytest.mark.timeout(300)
def test_takeover_of_a_killed_worker(cluster_of: Make, tmp_path: Path) -> None:
    processes, cluster = cluster_of(coordinators=0, workers=0)
    processes.start("coordinator", "k0", *LEASES)
    for name in ("w0", "w1"):
        processes.start("worker", name)
    took = []
    for number in range(KILLS):
        mark = tmp_path / f"pids{number}"
        mark.touch()
        reader = Reader(cluster.graph("tokens").stream({**LONG, "mark": str(mark)}, stream_mode="custom"))
        assert reader.speaks.wait(20)
        processes.by_pid(pids_in(mark)[0]).kill()
        killed = time.monotonic()
        while len(pids_in(mark)) < 2:
            assert time.monotonic() < killed + 20, "nobody runs the node again"
            threading.Event().wait(0.005)
        took.append(time.monotonic() - killed)
        processes.start("worker", f"k{number + 10}")
        reader.join(timeout=30)
        assert reader.tokens == list(range(LONG["count"]))
    report("workers", took)
