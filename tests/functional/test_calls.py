"""What LangGraph's functional API is no oracle for: concurrency, resumed callers that differ, what is refused."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import wait
from itertools import count
from typing import Any, TypedDict

import pydantic
import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver as TheirMemory
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from tests.functional.nested_calls import add, deep, other

from drumline.checkpoint.memory import InMemorySaver
from drumline.errors import NotDeterministic
from drumline.func import entrypoint, task
from drumline.graph import START, StateGraph
from drumline.graph.call_types import RunConfig
from drumline.types import Command, interrupt


class State(TypedDict):
    x: int


CONFIG: RunConfig = {"configurable": {"thread_id": "1"}}


# -- concurrency -----------------------------------------------------------------------------------


def test_tasks_run_beside_each_other() -> None:
    barrier = threading.Barrier(3, timeout=20)

    @task
    def meet() -> int:
        return barrier.wait()

    @entrypoint()
    def entry(_x: int) -> list[int]:
        return sorted(future.result() for future in [meet(), meet(), meet()])

    assert entry.invoke(0) == [0, 1, 2]


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_callers_that_wait_leave_room_for_what_they_wait_for(limit: int | None) -> None:
    """More of them wait, at each depth, than there are threads."""
    config: RunConfig = {"max_concurrency": limit} if limit else {}
    graph = deep(20)
    assert graph.invoke(2, config) == 800
    assert asyncio.run(graph.ainvoke(2, config)) == 800


def test_futures_can_be_waited_for_in_any_way() -> None:
    @entrypoint()
    def entry(x: int) -> Any:
        futures = [add(x), add(x, b=2)]
        done, _ = wait(futures, timeout=20)
        return len(done), futures[0].done(), [future.result() for future in futures]

    assert entry.invoke(1) == (2, True, [2, 3])


def test_sync_futures_may_be_awaited_elsewhere() -> None:
    @entrypoint()
    def entry(x: int) -> Any:
        future = add(x)

        async def get() -> int:
            return await future

        return asyncio.run(get())

    assert entry.invoke(1) == 2


def test_a_reader_who_leaves_ends_what_waits() -> None:
    begun, ended, open_gate = threading.Event(), threading.Event(), threading.Event()

    @task
    def slow() -> None:
        begun.set()
        open_gate.wait(20)

    @entrypoint()
    def entry(_x: int) -> None:
        future = slow()
        try:
            future.result()
        finally:
            ended.set()

    stream: Any = entry.stream(0, stream_mode="tasks")
    next(stream)
    assert next(stream)["name"] == "slow"
    threading.Thread(target=lambda: (begun.wait(1), ended.wait(20), open_gate.set())).start()
    stream.close()
    assert ended.is_set()


def test_a_call_of_a_run_that_is_over_is_cancelled() -> None:
    kept: list[Any] = []
    go = threading.Event()

    @entrypoint()
    def entry(_x: int) -> None:
        from contextvars import copy_context

        context = copy_context()
        thread = threading.Thread(target=lambda: (go.wait(20), kept.append(context.run(add, 1))))
        thread.start()
        kept.append(thread)

    entry.invoke(0)
    go.set()
    kept[0].join(20)
    assert kept[1].cancelled()


def test_nodes_of_graphs_may_call_tasks() -> None:
    graph = StateGraph(State)
    graph.add_node("n", lambda state: {"x": add(state["x"]).result()})
    graph.add_edge(START, "n")
    assert graph.compile().invoke({"x": 1}) == {"x": 2}


# -- what is kept ----------------------------------------------------------------------------------


def test_results_survive_what_ends_the_run() -> None:
    ran: list[int] = []
    tries = count()

    @task
    def note(x: int) -> int:
        ran.append(x)
        return x

    @entrypoint(checkpointer=InMemorySaver())
    def entry(x: int) -> list[int]:
        results = [note(x).result(), note(x + 1).result()]
        if not next(tries):
            raise SystemExit("the process ends")
        return [*results, note(x + 2).result()]

    with pytest.raises(SystemExit):
        entry.invoke(1, CONFIG)
    assert entry.invoke(None, CONFIG) == [1, 2, 3]
    assert ran == [1, 2, 3]


def resumed(first: Callable[[], Any], then: Callable[[], Any], saver: Any = None) -> Any:
    """The outcome of an entrypoint that calls `first` in its first run, and `then` in the one that goes on."""
    calls = iter([first, then])

    @entrypoint(checkpointer=saver or InMemorySaver())
    def entry(_x: int) -> Any:
        return [add(0).result(), next(calls)(), interrupt("q")]

    entry.invoke(0, CONFIG)
    return entry.invoke(Command(resume="A"), CONFIG)


def test_another_task_at_resume_is_told() -> None:
    with pytest.raises(NotDeterministic, match=r"'entry' is not deterministic at its call 2.*'add'.*'other'") as caught:
        resumed(lambda: add(1).result(), lambda: other(1).result())
    assert (caught.value.entry, caught.value.index) == ("entry", 1)


def test_other_arguments_at_resume_are_told() -> None:
    with pytest.raises(NotDeterministic, match=r"at its call 2: .*'add' with arguments of digest"):
        resumed(lambda: add(1).result(), lambda: add(2).result())


def test_the_order_of_keys_is_no_difference() -> None:
    @task
    def take(value: Any) -> Any:
        return value

    assert resumed(lambda: take({"a": 1, "b": 2}).result(), lambda: take({"b": 2, "a": 1}).result())


def test_arguments_that_cannot_be_encoded_are_told_apart_by_name_alone() -> None:
    @task
    def call(function: Callable[[], int]) -> int:
        return function()

    assert resumed(lambda: call(lambda: 1).result(), lambda: call(lambda: 2).result()) == [1, 1, "A"]


class Model(pydantic.BaseModel):
    a: int
    b: int | None = None


@pytest.mark.parametrize("given", [HumanMessage("a"), (1, (2,)), Model(a=1)], ids=["message", "tuple", "model"])
def test_a_saver_of_langgraph_may_give_arguments_back_in_another_form(given: Any) -> None:
    """Its serializer gives lists for tuples, and of a model it does not keep which fields were set."""
    calls: list[Any] = []

    @task
    def take(value: Model | HumanMessage | tuple[Any, ...]) -> int:
        calls.append(value)
        return len(calls)

    @entrypoint(checkpointer=TheirMemory(serde=JsonPlusSerializer(allowed_msgpack_modules=True)))
    def entry(value: Any) -> Any:
        return [take(value).result(), interrupt("q")]

    entry.invoke(given, CONFIG)
    assert entry.invoke(Command(resume="A"), CONFIG) == [1, "A"]
    assert calls == [given]


def test_another_task_at_resume_is_told_with_a_saver_of_langgraph() -> None:
    with pytest.raises(NotDeterministic, match=r"'add'.*'other'"):
        resumed(lambda: add(1).result(), lambda: other(1).result(), TheirMemory())


# -- what is refused -------------------------------------------------------------------------------


def test_outside_of_a_run() -> None:
    with pytest.raises(RuntimeError, match=r"task 'add' was called outside of a run.*add\.func"):
        add(1)
    assert add.func(1) == 2


def test_what_is_no_entrypoint() -> None:
    def generator(_x: int) -> Any:
        yield 1

    async def agenerator(_x: int) -> Any:
        yield 1

    def nothing() -> None: ...

    for function in (generator, agenerator):
        with pytest.raises(NotImplementedError, match="Generators"):
            entrypoint()(function)
    with pytest.raises(ValueError, match="at least one parameter"):
        entrypoint()(nothing)
