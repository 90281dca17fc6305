"""Entrypoints and their `@task`s on a simulated cluster: what has ended does not run again, whoever dies."""

from typing import Any, TypedDict
from unittest.mock import patch

import pytest

from drumline.config import get_stream_writer
from drumline.func import entrypoint, task
from drumline.graph import START, StateGraph
from drumline.testing import CrashCoordinator, CrashWorker, Faults, RestartBroker, SimCluster, assert_survives
from drumline.types import Command, RetryPolicy, interrupt


class State(TypedDict):
    x: int


@task
def add(a: int, b: int = 1) -> int:
    get_stream_writer()({"adds": [a, b]})
    return a + b


@task
def around(x: int) -> int:
    return add(add(x).result(), b=2).result()


@task
def bad(x: int) -> int:
    raise ValueError(f"bad {x}")


@entrypoint()
def entry(x: int) -> Any:
    get_stream_writer()({"begins": x})
    futures = [around(x), add(x), around(x + 10)]
    found = [future.result() for future in futures]
    get_stream_writer()({"has": found})
    try:
        bad(x).result()
    except ValueError as error:
        return [*found, str(error), add(0).result()]


@task
async def aadd(a: int) -> int:
    return a + 1


@task
async def aaround(a: int) -> int:
    return await aadd(await aadd(a))


@entrypoint()
async def aentry(x: int) -> Any:
    futures = [aaround(x), aadd(x)]
    return [await futures[1], await futures[0], await aadd(10), await add(x)]


@pytest.mark.parametrize("graph", [entry, aentry], ids=["sync", "async"])
def test_streams_survive(graph: Any) -> None:
    assert_survives(graph, 1, seeds=25)


def test_a_run_of_a_thread_survives() -> None:
    assert_survives(entry, 1, {"configurable": {"thread_id": "1"}}, seeds=15)


def test_a_caller_that_dies_makes_no_call_twice() -> None:
    with SimCluster({"e": entry}, workers=3, faults=CrashWorker("entry", after_events=2), seed=3) as cluster:
        assert cluster.graph("e").invoke(1) == [4, 2, 14, "bad 1", 1]
    assert cluster.executions == {"entry": 2, "around": 2, "add": 6, "bad": 1}


def test_a_call_that_has_failed_fails_again_for_the_next_attempt_of_its_caller() -> None:
    with SimCluster({"e": entry}, workers=3, seed=6) as cluster:
        items = []
        for mode, item in cluster.graph("e").stream(1, stream_mode=["tasks", "values"]):
            items.append((mode, item))
            if mode == "tasks" and item["name"] == "bad" and "result" in item:
                [holder] = [worker for worker in cluster.workers if "entry" in worker.nodes]
                cluster.kill(holder)
        assert items[-1] == ("values", [4, 2, 14, "bad 1", 1])
    assert (cluster.executions["entry"], cluster.executions["bad"]) == (2, 1)
    assert sum(mode == "tasks" and item["name"] == "bad" for mode, item in items) == 2, "it was shown once"


def test_a_call_that_dies_runs_again_alone() -> None:
    with SimCluster({"e": entry}, workers=3, faults=CrashWorker("add", nth=3), seed=1) as cluster:
        assert cluster.graph("e").invoke(1) == [4, 2, 14, "bad 1", 1]
    ran = cluster.executions
    assert (ran["add"], ran["bad"]) == (7, 1)


@pytest.mark.parametrize("fault", [CrashCoordinator(3), CrashCoordinator(5, arrives=False), RestartBroker(4)], ids=repr)
def test_no_call_is_made_twice_if_a_coordinator_or_the_broker_dies(fault: Any) -> None:
    with SimCluster({"e": entry}, workers=2, faults=fault, seed=2) as cluster:
        assert cluster.graph("e").invoke(1) == [4, 2, 14, "bad 1", 1]
    assert cluster.executions == {"entry": 1, "around": 2, "add": 6, "bad": 1}


def test_a_broker_that_loses_its_tail_loses_no_call() -> None:
    """What the worker said may be gone, and what it was told: it asks again."""
    for commit in range(2, 7):
        with SimCluster({"e": entry}, faults=RestartBroker(commit, lost_tail=True), seed=commit) as cluster:
            assert cluster.graph("e").invoke(1) == [4, 2, 14, "bad 1", 1]


def test_the_same_seed_does_the_same() -> None:
    def traced() -> list[str]:
        with SimCluster({"e": entry}, faults=Faults.rough(), seed=11) as cluster:
            cluster.graph("e").invoke(1)
        return cluster.trace

    assert traced() == traced()


tries: list[int] = []


@entrypoint(retry_policy=RetryPolicy(initial_interval=30.0, jitter=False, retry_on=ConnectionError))
def stubborn(x: int) -> Any:
    tries.append(x)
    found = add(x).result()
    if len(tries) % 3:
        raise ConnectionError
    return found, interrupt("and?")


def test_an_entrypoint_that_is_tried_again_goes_on_with_its_last_try_over_a_restart() -> None:
    """Its tries lie half a minute apart in virtual time; a coordinator dies between them, and all before the answer."""
    tries.clear()
    config: Any = {"configurable": {"thread_id": "t"}}
    with SimCluster({"s": stubborn}, faults=CrashCoordinator(4), seed=4) as cluster:
        graph = cluster.graph("s")
        graph.invoke(1, config)
        assert cluster.now >= 30
        assert cluster.executions == {"stubborn": 3, "add": 3}
        for process in [*cluster.workers, *cluster.coordinators]:
            cluster.kill(process, restart_after=1)
        tries.append(0)
        tries.append(0)
        assert graph.invoke(Command(resume="yes"), config) == (2, "yes")
        assert cluster.executions == {"stubborn": 4, "add": 3}


@entrypoint()
def asking(x: int) -> Any:
    first = add(x).result()
    get_stream_writer()("x" * 3000)
    answers = [interrupt("one"), around(first).result(), interrupt("two"), add(x, b=7).result()]
    get_stream_writer()("y" * 3000)
    return [first, *answers, add(0).result()]


def test_heads_in_the_middle_of_calls_are_enough_to_go_on_from() -> None:
    """A head after each few facts: whoever takes over has the calls, and what an earlier run has left of them.

    The simulation compares the live machine with one made of each head.
    """
    heads = 0
    with patch("drumline_coordinator.staging.HEAD_AFTER_BYTES_MIN", 1):
        for seed in range(6):
            with SimCluster({"a": asking}, faults=Faults.rough(), seed=seed) as cluster:
                graph, config = cluster.graph("a"), {"configurable": {"thread_id": "t"}}
                graph.invoke(1, config)
                graph.invoke(Command(resume="A"), config)
                assert graph.invoke(Command(resume="B"), config) == [2, "A", 5, "B", 8, 1]
                heads += cluster._engine.watch.heads
        assert_survives(entry, 1, seeds=3)
    assert heads > 10


def test_a_late_reader_of_calls_begins_at_a_head() -> None:
    with patch("drumline_coordinator.staging.HEAD_AFTER_BYTES_MIN", 1), SimCluster({"a": asking}, seed=5) as cluster:
        graph, config = cluster.graph("a"), {"configurable": {"thread_id": "t"}}
        graph.invoke(1, config)
        stream = graph.stream(Command(resume="A"), config, stream_mode=["tasks", "custom", "values"], subgraphs=True)
        whole, positions = [], []
        for item in stream:
            whole.append(item)
            positions.append(stream.position)
        for count, position in list(enumerate(positions, 1))[::4]:
            rest = cluster.join(
                stream.run_id, position, stream_mode=["tasks", "custom", "values"], subgraphs=True, thread_id="t"
            )
            assert list(rest) == whole[count:]


def test_a_node_that_calls_tasks_survives() -> None:
    def node(state: Any) -> Any:
        return {"x": add(state["x"]).result() + add(state["x"], b=5).result()}

    graph = StateGraph(State)
    graph.add_node("n", node)
    graph.add_edge(START, "n")
    assert_survives(graph.compile(), {"x": 1}, seeds=10)
