"""Entrypoints on real processes: whoever is killed between calls, what has ended does not run again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.functional_app import GRAPHS, lines
from tests.cluster.processes import Processes, running
from tests.cluster.test_threads_kills import on, without_ids
from tests.servers import local_server

from drumline import Cluster
from drumline.types import Command

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
APP = "tests.cluster.functional_app:GRAPHS"
Make = Callable[..., tuple[Processes, Cluster]]
ENDED = ["A", "B", "C", "INNER", "HOLD", "LAST"]


def read(cluster: Cluster, folder: Path, config: Any) -> tuple[threading.Thread, list[Any]]:
    """A thread that reads a run of `held`, up to where a task waits for the gate; and what it has read."""
    items: list[Any] = []
    holds = threading.Event()

    def reads() -> None:
        for item in cluster.graph("held", graph=GRAPHS["held"]).stream(
            str(folder), config, stream_mode=["tasks", "updates", "values"]
        ):
            items.append(item)
            if item[0] == "tasks" and item[1]["name"] == "hold":
                holds.set()

    reading = threading.Thread(target=reads)
    reading.start()
    assert holds.wait(60)
    while not any(what == "hold" for what, _ in lines(folder)):
        reading.join(0.01)  # another process notes it
    return reading, items


@pytest.mark.parametrize("config", [{}, on("kept")], ids=["no thread", "thread"])
@pytest.mark.parametrize("victim", ["entry", "nested", "hold", "coordinator"])
def test_only_what_did_not_end_runs_again(cluster_of: Make, tmp_path: Path, victim: str, config: Any) -> None:
    processes, cluster = cluster_of(coordinators=1, workers=2, app=APP)
    reading, items = read(cluster, tmp_path, config)
    where = dict(lines(tmp_path))
    if victim == "coordinator":
        processes.roles["c0"].kill()
        processes.start("coordinator", "c1")
    else:
        processes.by_pid(where[victim]).kill()
        processes.start("worker", "w2")
    (tmp_path / "gate").touch()
    reading.join(120)
    assert items[-1] == ("values", ENDED)
    ran = Counter(what for what, _ in lines(tmp_path))
    died = {what for what in ("entry", "nested", "hold") if victim != "coordinator" and where[what] == where[victim]}
    assert ran == Counter(["entry", "a", "b", "c", "nested", "inner", "hold", "last", *died])
    shown = Counter(item["name"] for mode, item in items if mode == "tasks" and "result" in item)
    assert shown == {"step": 5, "nested": 1, "hold": 1, "held": 1}
    if config:
        cluster.threads.delete("kept")


def test_the_day_after(tmp_path: Path) -> None:
    """A `@task` asks; all are killed, Redis too, and started again: the stream goes on where it was."""
    from drumline.checkpoint.memory import InMemorySaver
    from drumline.func import entrypoint

    here = tmp_path / "here"
    here.mkdir()
    own = entrypoint(checkpointer=InMemorySaver())(asking_code())
    answer = Command(resume="yes")
    expected = [without_ids(list(own.stream(given, on("t"), stream_mode="updates"))) for given in (str(here), answer)]
    found = []
    with local_server(options=["--appendfsync", "always"]) as server:
        for given in (str(tmp_path), answer):
            with running(server.url, APP, prefix="calls", workers=2) as (_, cluster):
                stream = cluster.graph("asking").stream(given, on("t"), stream_mode="updates")
                found.append(without_ids(list(stream)))
            server.kill()
            server.start()
    assert found == expected
    assert Counter(what for what, _ in lines(tmp_path)) == {"entry": 2, "a": 1, "ask": 2, "b": 1}


def asking_code() -> Any:
    """The function of `asking`."""
    return GRAPHS["asking"].program.code[0]


def test_workers_of_one_slot_each_serve_many_callers(cluster_of: Make) -> None:
    _, cluster = cluster_of(workers=2, app=APP, worker_args=("--concurrency", "1"))
    graph = cluster.graph("many")
    runs = [graph.start(20) for _ in range(30)]
    assert [cluster.result(run) for run in runs] == [20] * 30
