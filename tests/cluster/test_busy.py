"""Processes whose interpreter is held, and processes that are stopped or killed: who keeps what, and for how long."""

from __future__ import annotations

import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import pids_in
from tests.cluster.processes import LEASE_MS, TASK_LEASE_MS, Processes, Role

from drumline import Cluster

pytestmark = pytest.mark.cluster
Make = Callable[..., tuple[Processes, Cluster]]

APP = "tests.cluster.busy_app:GRAPHS"
#: the interpreter is held for so many leases
LONG_S = 5 * TASK_LEASE_MS // 1000
#: a takeover ends within this time
TAKEOVER_S = 2.0
LIMIT_S = 30


def renewers_of(role: Role) -> list[int]:
    """The children of a service process."""
    threads = Path(f"/proc/{role.process.pid}/task").glob("*/children")  # each thread has its own
    return [int(pid) for children in threads for pid in children.read_text().split()]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_serving(pid: int) -> bool:
    """Whether a renewer has read its charge: then the thread that renews is there."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1


def shares_in(cluster: Cluster) -> Counter[str]:
    """How many partitions each coordinator has. One that is handed over has no owner for a moment."""
    return Counter(row["owner"] for row in cluster.broker().lease_owners() if row["owner"])


def await_renewers(processes: Processes) -> None:
    """A process is ready before its renewer is: who is busy from its first moment on may lose a lease this short."""
    roles = list(processes.roles.values())
    wait_until(lambda: all((pids := renewers_of(role)) and all(map(is_serving, pids)) for role in roles))


def wait_until(true: Callable[[], Any], within_s: float = LIMIT_S) -> float:
    """Seconds until `true()`."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_s, "it does not come true"
        time.sleep(0.01)  # it lies in another process: no event tells of it
    return time.monotonic() - began


def test_a_node_that_holds_the_interpreter_for_five_leases_runs_once(cluster_of: Make, mark: Path) -> None:
    processes, cluster = cluster_of(app=APP, coordinators=1, workers=2)
    await_renewers(processes)
    stream = cluster.graph("busy").stream(
        {"mark": str(mark), "seconds": LONG_S}, stream_mode=["custom", "values"], version="v2"
    )
    parts: list[Any] = list(stream)
    assert parts[-1]["data"]["out"] == "busy for long"
    assert len(pids_in(mark)) == 1, "the node ran once"
    assert {part.get("attempt", 1) for part in parts} == {1}
    assert not any("does not hold its entry" in line for role in processes.roles.values() for line in role.lines)


def test_a_busy_worker_stays_listed_and_its_other_tasks_are_kept(cluster_of: Make, mark: Path) -> None:
    processes, cluster = cluster_of(app=APP, coordinators=1, workers=1)
    await_renewers(processes)
    busy = cluster.graph("busy").start({"mark": str(mark), "seconds": LONG_S})
    wait_until(lambda: pids_in(mark))
    time.sleep(LONG_S - 1)  # the premise: the interpreter is held for so long
    [(_, age_ms)] = cluster.broker().members("workers").values()
    assert age_ms < TASK_LEASE_MS
    assert cluster.result(busy)["out"] == "busy for long"


def test_a_reducer_that_holds_the_interpreter_keeps_its_partition(cluster_of: Make) -> None:
    processes, cluster = cluster_of(app=APP, coordinators=2, workers=1)
    wait_until(lambda: sorted(shares_in(cluster).values()) == [4, 4])
    await_renewers(processes)
    epochs = {row["partition"]: row["epoch"] for row in cluster.broker().lease_owners()}
    seconds = 5 * LEASE_MS // 1000
    assert cluster.graph("slow_reducer").invoke({"seconds": seconds})["total"] == seconds
    assert {row["partition"]: row["epoch"] for row in cluster.broker().lease_owners()} == epochs


def test_a_stopped_worker_is_taken_over(cluster_of: Make, mark: Path) -> None:
    processes, cluster = cluster_of(app=APP, coordinators=1, workers=2)
    run = cluster.graph("busy").start({"mark": str(mark), "seconds": 3})
    wait_until(lambda: pids_in(mark))
    stopped = processes.by_pid(pids_in(mark)[0])
    stopped.pause()
    took_s = wait_until(lambda: len(pids_in(mark)) == 2)
    assert took_s < TAKEOVER_S + 1
    assert renewers_of(stopped), "its renewer waits for it"
    stopped.resume()
    assert cluster.result(run)["out"] == "busy for long"


def test_a_killed_worker_leaves_no_renewer_and_is_taken_over_at_once(cluster_of: Make, mark: Path) -> None:
    processes, cluster = cluster_of(app=APP, coordinators=1, workers=1)
    times = []
    for number in range(5):
        seen = len(pids_in(mark))
        processes.start("worker", f"next{number}")
        run = cluster.graph("busy").start({"mark": str(mark), "seconds": 1})
        wait_until(lambda seen=seen: len(pids_in(mark)) > seen)  # type: ignore[misc]
        victim = processes.by_pid(pids_in(mark)[-1])
        [renewer] = renewers_of(victim)
        began = time.monotonic()
        victim.kill()
        assert wait_until(lambda pid=renewer: not is_there(pid)) < 1.0  # type: ignore[misc]
        wait_until(lambda seen=seen: len(pids_in(mark)) > seen + 1)  # type: ignore[misc]
        times.append(time.monotonic() - began)
        assert cluster.result(run)["out"] == "busy for long"
    print(f"takeover of a killed worker: p50 {statistics.median(times):.2f} s, max {max(times):.2f} s")
    assert max(times) < TAKEOVER_S + 1


def test_a_renewer_that_dies_is_started_anew(cluster_of: Make) -> None:
    processes, _ = cluster_of(app=APP, coordinators=1, workers=1)
    [first] = renewers_of(processes.roles["w0"])
    os.kill(first, 9)
    wait_until(lambda: renewers_of(processes.roles["w0"]) not in ([], [first]))


def test_a_worker_that_is_told_to_end_takes_its_renewer_with_it(cluster_of: Make) -> None:
    processes, cluster = cluster_of(app=APP, coordinators=1, workers=1)
    for role in processes.roles.values():
        [renewer] = renewers_of(role)
        role.process.terminate()
        assert role.process.wait(LIMIT_S) == 0
        assert not is_there(renewer)
    assert not cluster.broker().members("workers")
