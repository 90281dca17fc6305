"""Nodes that do to their worker what they must not be able to do: real processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import pids_in
from tests.cluster.processes import Processes

from drumline import Cluster
from drumline.types import StreamMode

pytestmark = pytest.mark.cluster
Make = Callable[..., tuple[Processes, Cluster]]

APP = "tests.cluster.busy_app:GRAPHS"
LIMIT_S = 30


def test_a_context_that_does_not_fit_ends_no_worker(cluster_of: Make) -> None:
    processes, cluster = cluster_of(app=APP, workers=1)
    sized = cluster.graph("sized")
    with pytest.raises(Exception, match="size"):
        sized.invoke({}, context={"size": "many"})
    assert sized.invoke({}, context={"size": 3})["out"] == ["Settings", 3]
    assert processes.roles["w0"].process.poll() is None
    assert any("failed on worker w0" in line for line in processes.roles["w0"].lines)


def test_a_node_that_stops_the_event_loop_stops_nobody(cluster_of: Make) -> None:
    processes, cluster = cluster_of(app=APP, workers=1)
    with ThreadPoolExecutor(8) as threads:
        found: list[Any] = list(threads.map(lambda _: cluster.graph("hostile").invoke({}), range(8)))
    assert [state["out"] for state in found] == ["went on"] * 8
    assert processes.roles["w0"].process.poll() is None


def test_a_worker_whose_event_loop_died_ends_loudly(cluster_of: Make, mark: Path) -> None:
    processes, cluster = cluster_of(app=APP, workers=1)
    run = cluster.graph("close_the_loop").start({"mark": str(mark)})
    victim = processes.roles["w0"].process
    assert victim.wait(LIMIT_S) != 0
    assert any("drumline-nodes" in line for line in processes.roles["w0"].lines)
    cluster.cancel(run)
    assert len(pids_in(mark)) >= 1


def test_the_first_runs_of_a_fresh_worker_record_messages_beside_each_other(cluster_of: Make) -> None:
    """The first of them makes the worker import langchain-core, which takes a while; the others see half of it."""
    _, cluster = cluster_of(app=APP, workers=1)

    def run(number: int) -> Any:
        modes: list[StreamMode] = ["messages", "values"] if number % 2 else ["values"]
        return list(cluster.graph("quick").stream({}, stream_mode=modes))[-1]

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(run, range(48)))
    assert [item[1]["out"] for item in found] == ["quick"] * 48
