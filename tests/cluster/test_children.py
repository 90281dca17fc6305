"""Real processes: a node waits for a run of its own, and something happens to its worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.processes import Processes

from drumline import Cluster
from drumline.errors import NodeCancelledError
from drumline.types import Command

pytestmark = pytest.mark.cluster
APP = "tests.cluster.children_app:GRAPHS"
LIMIT_S = 30
Make = Callable[..., tuple[Processes, Cluster]]


@pytest.fixture
def given(cluster_of: Make, mark: Path, tmp_path: Path) -> tuple[Processes, Cluster, dict[str, Any]]:
    processes, cluster = cluster_of(app=APP, workers=1)
    for name in ("p0", "p1"):
        processes.start("worker", name, "--pool", "parents")
    state = {"broker": cluster.url, "prefix": cluster.prefix, "mark": str(mark), "gate": str(tmp_path / "gate")}
    return processes, cluster, state


def left(state: dict[str, Any], what: str, count: int) -> list[int]:
    """Wait until nodes have left that so often; the pids of those that did."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        pids = [int(line.split()[1]) for line in Path(state["mark"]).read_text().splitlines() if line.startswith(what)]
        if len(pids) >= count:
            return pids
        time.sleep(0.01)
    raise AssertionError(f"no {count} times {what!r}: {Path(state['mark']).read_text()!r}")


@pytest.mark.parametrize("name", ["parent", "aparent"])
def test_who_takes_over_a_node_joins_its_run(given: tuple[Processes, Cluster, dict[str, Any]], name: str) -> None:
    """SIGKILL of the worker whose node waits: the second attempt reads the run that the first one started."""
    processes, cluster, state = given
    run_id = cluster.graph(name).start(state)
    left(state, "child", 1)
    processes.by_pid(left(state, "parent", 1)[0]).kill()
    left(state, "parent", 2)
    Path(state["gate"]).touch()
    assert cluster.result(run_id)["out"] == "done"
    assert len(left(state, "child", 1)) == 1, "the child ran once"


def test_a_question_outlives_the_worker_whose_node_was_asked(given: tuple[Processes, Cluster, dict[str, Any]]) -> None:
    """SIGKILL when the run of the node has asked: the next attempt asks the same, and the answer finds that run."""
    _, cluster, state = given
    thread: Any = {"configurable": {"thread_id": "t"}}
    [question] = cluster.graph("killed").invoke(state, thread)["__interrupt__"]
    assert question.value == "what?"
    assert cluster.graph("killed").invoke(Command(resume={question.id: "that"}), thread)["out"] == "that"
    assert len(left(state, "child", 1)) == 1 and len(left(state, "asks", 2)) == 2


@pytest.mark.parametrize("name", ["parent", "aparent"])
def test_a_zombie_does_not_cancel_what_another_worker_reads(
    given: tuple[Processes, Cluster, dict[str, Any]], name: str
) -> None:
    """SIGSTOP, takeover, SIGCONT: the first worker finds that it has lost the task, and leaves the run alone."""
    processes, cluster, state = given
    run_id = cluster.graph(name).start(state)
    left(state, "child", 1)
    zombie = processes.by_pid(left(state, "parent", 1)[0])
    zombie.pause()
    left(state, "parent", 2)
    zombie.resume()
    left(state, "gone", 1)  # its node was told, and its client is closed: what it cancels is cancelled
    Path(state["gate"]).touch()
    assert cluster.result(run_id)["out"] == "done"
    assert len(left(state, "child", 1)) == 1


@pytest.mark.parametrize("name", ["parent", "aparent"])
def test_cancelling_the_parent_cancels_the_child(given: tuple[Processes, Cluster, dict[str, Any]], name: str) -> None:
    _, cluster, state = given
    run_id = cluster.graph(name).start(state)
    left(state, "child", 1)
    cluster.cancel(run_id)
    left(state, "cancelled", 1)


def test_a_nodes_own_cancelled_error_is_its_failure(given: tuple[Processes, Cluster, dict[str, Any]]) -> None:
    _, cluster, state = given

    async def main() -> BaseException | None:
        task = asyncio.ensure_future(cluster.graph("cancels").ainvoke(state))
        await asyncio.wait([task])
        assert not task.cancelled()
        return task.exception()

    error = asyncio.run(main())
    assert isinstance(error, NodeCancelledError) and error.node == "cancels"
