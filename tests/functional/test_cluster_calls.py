"""Calls of `@task`s on a cluster of threads: who finds them, who waits for whom, what crosses, what is told."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any, TypedDict

import pytest
from tests.functional.nested_calls import add, deep, other

from drumline.errors import EncodeError, NotDeterministic, TaskOutOfReach
from drumline.func import entrypoint, task
from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline.types import Command, interrupt


class State(TypedDict):
    x: int


CONFIG: Any = {"configurable": {"thread_id": "1"}}


# -- who waits for whom ----------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_callers_that_wait_leave_room_for_what_they_wait_for(limit: int | None) -> None:
    config: Any = {"max_concurrency": limit} if limit else {}
    with local_cluster({"deep": deep(5)}, workers=1, concurrency=1) as cluster:
        assert cluster.graph("deep").invoke(2, config) == 50


def test_many_callers_that_came_first_do_not_keep_their_calls_from_running() -> None:
    """More runs wait than the worker has slots to lend: their calls are taken all the same."""

    @entrypoint()
    def entry(x: int) -> int:
        return add(x).result()

    with local_cluster({"entry": entry}, workers=1, concurrency=1) as cluster:
        graph = cluster.graph("entry")
        runs = [graph.start(x) for x in range(40)]
        assert [cluster.result(run) for run in runs] == list(range(1, 41))


def test_calls_run_beside_each_other_on_all_workers() -> None:
    barrier = threading.Barrier(4, timeout=20)

    @task
    def meet() -> int:
        return barrier.wait()

    @entrypoint()
    def entry(_x: int) -> list[int]:
        return sorted(future.result() for future in [meet(), meet(), meet(), meet()])

    with local_cluster({"entry": entry}, workers=2, concurrency=2) as cluster:
        assert cluster.graph("entry").invoke(0) == [0, 1, 2, 3]


def test_futures_can_be_waited_for_in_any_way() -> None:
    @entrypoint()
    def entry(x: int) -> Any:
        futures = [add(x), add(x, b=2)]
        done, _ = wait(futures, timeout=20)

        async def get() -> int:
            return await futures[0]

        return len(done), futures[0].done(), futures[1].result(), asyncio.run(get())

    with local_cluster({"entry": entry}) as cluster:
        assert cluster.graph("entry").invoke(1) == (2, True, 3, 2)


def test_nodes_and_entrypoints_that_are_nodes_call_tasks() -> None:
    @entrypoint()
    def entry(state: Any) -> Any:
        return {"x": add(state["x"]).result()}

    graph = StateGraph(State)
    graph.add_node("n", lambda state: {"x": add(state["x"]).result()})
    graph.add_node("entry", entry)
    graph.add_edge(START, "n")
    graph.add_edge("n", "entry")
    with local_cluster({"graph": graph.compile()}) as cluster:
        assert cluster.graph("graph").invoke({"x": 1}) == {"x": 3}


def test_a_run_that_is_cancelled_ends_who_waits() -> None:
    begun, ended, gate = threading.Event(), threading.Event(), threading.Event()

    @task
    def slow() -> None:
        begun.set()
        gate.wait(20)

    @entrypoint()
    def entry(_x: int) -> None:
        try:
            slow().result()
        finally:
            ended.set()

    with local_cluster({"entry": entry}) as cluster:
        run = cluster.graph("entry").start(0)
        assert begun.wait(20)
        cluster.cancel(run)
        assert ended.wait(20)
        gate.set()


# -- what crosses ----------------------------------------------------------------------------------


def test_large_arguments_and_results_arrive() -> None:
    @task
    def double(text: str, times: int = 2) -> str:
        return text * times

    @entrypoint()
    def entry(text: str) -> Any:
        once = double(text).result()
        return [len(once), len(double(once, times=3).result())]

    with local_cluster({"entry": entry}) as cluster:
        streamed = list(cluster.graph("entry").stream("ab" * 300_000, stream_mode=["tasks", "values"]))
    assert streamed[-1] == ("values", [1_200_000, 3_600_000])
    given = [
        item["input"] for mode, item in streamed if mode == "tasks" and item["name"] == "double" and "input" in item
    ]
    assert [len(args[0]) for args, _ in given] == [600_000, 1_200_000]
    assert [kwargs for _, kwargs in given] == [{}, {"times": 3}]


def test_arguments_that_cannot_cross_are_told_at_the_call() -> None:
    @entrypoint()
    def entry(_x: int) -> Any:
        try:
            add(threading.Lock())  # type: ignore[arg-type]
        except EncodeError as error:
            return str(error)

    with local_cluster({"entry": entry}) as cluster:
        told = cluster.graph("entry").invoke(1)
    assert "the arguments of @task 'add', called in 'entry': cannot encode arguments[0][0] of type" in told


def test_a_task_that_other_workers_would_not_find_is_told_at_the_call() -> None:
    @entrypoint()
    def entry(x: int) -> Any:
        @task
        def inner(y: int) -> int:
            return y

        return inner(x).result()

    with (
        local_cluster({"entry": entry}) as cluster,
        pytest.raises(TaskOutOfReach, match=r"@task 'inner', called in 'entry'.*Define it at the top of a module"),
    ):
        cluster.graph("entry").invoke(1)


def test_tasks_are_found_wherever_the_code_names_them() -> None:
    def made(by: int) -> Any:
        @task
        def times(x: int) -> int:
            return x * by

        return times

    twice, thrice = made(2), made(3)

    class Holder:
        ten = made(10)

    @entrypoint()
    def entry(x: int) -> Any:
        return [future.result() for future in [twice(x), thrice(x), Holder.ten(x), *(add(each) for each in range(2))]]

    with local_cluster({"entry": entry}) as cluster:
        assert cluster.graph("entry").invoke(1) == [2, 3, 10, 1, 2]


# -- what is told of callers that differ -----------------------------------------------------------


def resumed(first: Callable[[], Any], then: Callable[[], Any]) -> Any:
    """The outcome of an entrypoint that calls `first` in its first run, and `then` in the one that goes on."""
    calls = iter([first, then])

    @entrypoint()
    def entry(_x: int) -> Any:
        return [add(0).result(), next(calls)(), interrupt("q")]

    with local_cluster({"entry": entry}) as cluster:
        graph = cluster.graph("entry")
        graph.invoke(0, CONFIG)
        return graph.invoke(Command(resume="A"), CONFIG)


def test_another_task_at_resume_is_told() -> None:
    with pytest.raises(NotDeterministic, match=r"'entry' is not deterministic at its call 2.*'add'.*'other'") as caught:
        resumed(lambda: add(1).result(), lambda: other(1).result())
    assert (caught.value.entry, caught.value.index) == ("entry", 1)


def test_other_arguments_at_resume_are_told() -> None:
    with pytest.raises(NotDeterministic, match=r"at its call 2: .*'add' with arguments of digest"):
        resumed(lambda: add(1).result(), lambda: add(2).result())


def test_the_same_calls_at_resume_return_at_once() -> None:
    assert resumed(lambda: add(1).result(), lambda: add(1).result()) == [1, 2, "A"]
