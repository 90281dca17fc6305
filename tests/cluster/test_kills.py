"""Real processes, real kills: the run ends in the right state, its reader sees each token once, in order (I4, I6).

Invariants and faults: docs/invariants.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import pids_in
from tests.cluster.processes import Processes

from drumline import Cluster
from drumline_protocol.ids import partition_of_run

pytestmark = pytest.mark.cluster
Make = Callable[..., tuple[Processes, Cluster]]

COUNT = 120
INPUT = {"count": COUNT, "pause_s": 0.005}
SAID = " ".join(map(str, range(COUNT)))


def run_and_strike(stream: Any, at: int, strike: Callable[[], None]) -> tuple[list[int], Any]:
    """Read a stream of `custom` and `values`; call `strike` when token `at` is read. The tokens and the last state."""
    tokens: list[int] = []
    last = None
    for mode, item in stream:
        if mode == "custom":
            tokens.append(item["token"])
            if item["token"] == at:
                strike()
        else:
            last = item
    return tokens, last


@pytest.mark.parametrize("at", [0, 40, COUNT - 1])
def test_worker_killed_in_the_middle_of_a_node(cluster_of: Make, mark: Path, at: int) -> None:
    """SIGKILL of the worker that runs the node (fault 1): another one takes over, no token twice."""
    processes, cluster = cluster_of(coordinators=1, workers=3)
    stream = cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])
    tokens, last = run_and_strike(stream, at, lambda: processes.by_pid(pids_in(mark)[-1]).kill())
    assert tokens == list(range(COUNT))
    assert last["said"] == SAID
    assert last["pids"] == [0, 1, 2]
    attempts = pids_in(mark)
    assert len(set(attempts)) == len(attempts), "each time on another worker"
    # behind its last token it may have answered before it is killed
    assert len(attempts) == 2 or (at == COUNT - 1 and len(attempts) == 1)


def test_worker_paused_longer_than_its_lease(cluster_of: Make, mark: Path) -> None:
    """SIGSTOP, takeover, SIGCONT (fault 2): the zombie's tokens and result change nothing."""
    processes, cluster = cluster_of(coordinators=1, workers=2)
    zombies: list[Any] = []

    def strike() -> None:
        zombie = processes.by_pid(pids_in(mark)[-1])
        zombie.pause()
        zombies.append(zombie)

    stream = cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])
    tokens: list[int] = []
    last = None
    for mode, item in stream:
        if mode == "custom":
            tokens.append(item["token"])
            if item["token"] == 40 and not zombies:
                strike()
            if item["token"] == 60:
                zombies[0].resume()
        else:
            last = item
    assert tokens == list(range(COUNT))
    assert last["said"] == SAID and last["pids"] == [0, 1, 2]  # type: ignore[index]


def owner_of(cluster: Cluster, run_id: str) -> str:
    """Name of the coordinator that holds the run's partition; just after a start it may be between two of them."""
    broker = cluster.broker()
    partition = partition_of_run(run_id, broker.partitions)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        owners = {row["partition"]: row["owner"].partition("#")[0] for row in broker.lease_owners()}
        if owners.get(partition):
            return owners[partition]
    raise AssertionError(f"nobody holds partition {partition}")


@pytest.mark.parametrize("at", [0, 40])
def test_coordinator_that_owns_the_run_killed(cluster_of: Make, mark: Path, at: int) -> None:
    """SIGKILL of the owner, another standing by (fault 5): it goes on from the committed position."""
    processes, cluster = cluster_of(coordinators=2, workers=2)
    stream = cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])

    def strike() -> None:
        processes.roles[owner_of(cluster, stream.run_id)].kill()

    tokens, last = run_and_strike(stream, at, strike)
    assert tokens == list(range(COUNT))
    assert last["said"] == SAID and last["pids"] == [0, 1, 2]
    assert len(pids_in(mark)) == 1, "no worker died, so no node ran twice"


def test_coordinator_paused_longer_than_its_lease(cluster_of: Make, mark: Path) -> None:
    """Two coordinators believe they lead (fault 6): the fence refuses the old one's commits."""
    processes, cluster = cluster_of(coordinators=1, workers=2)
    paused = processes.roles["c0"]
    stream = cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])

    def strike() -> None:
        paused.pause()
        processes.start("coordinator", "c1")
        paused.resume()

    tokens, last = run_and_strike(stream, 20, strike)
    assert tokens == list(range(COUNT))
    assert last["said"] == SAID and last["pids"] == [0, 1, 2]


def test_every_worker_killed_while_a_fan_out_runs(cluster_of: Make, mark: Path) -> None:
    """All workers die, new ones come: every task has exactly one effect."""
    processes, cluster = cluster_of(coordinators=1, workers=2)
    width = 60
    stream = cluster.graph("fan").stream({"width": width, "mark": str(mark)}, stream_mode=["updates", "values"])
    seen = 0
    last: Any = None
    for mode, item in stream:
        if mode == "updates" and "work" in item:
            seen += 1
            if seen == 10:
                processes.roles["w0"].kill()
                processes.roles["w1"].kill()
                processes.start("worker", "w2")
                processes.start("worker", "w3")
        elif mode == "values":
            last = item
    assert seen == width
    assert last["done"] == list(range(width))
