"""Error handlers on a cluster (simulated), and on threads: what they are given, and what a resume does."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from drumline.checkpoint.memory import InMemorySaver
from drumline.config import get_stream_writer
from drumline.errors import NodeError
from drumline.graph import START, StateGraph
from drumline.testing import CrashWorker, Faults, SimCluster
from drumline.types import Command, RetryPolicy, Send, interrupt


class State(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741
    x: int


class Broken(Exception):
    """An error of the user's own, which workers and coordinators know by name."""


def fails(state: State) -> dict[str, Any]:
    raise Broken(f"no {state.get('x')}")


def handle(state: State, error: NodeError) -> dict[str, Any]:
    return {"l": [(error.node, type(error.error).__name__, str(error.error), state.get("x"))]}


def one(**given: Any) -> StateGraph[State]:
    return StateGraph(State).add_node("n", fails, error_handler=handle, **given).add_edge(START, "n")


def test_a_handler_on_another_worker_is_given_the_error_and_the_input() -> None:
    with SimCluster({"g": one().compile()}) as cluster:
        assert cluster.graph("g").invoke({"l": [], "x": 7})["l"] == [("n", "Broken", "no 7", 7)]


@pytest.mark.parametrize("seed", range(6))
def test_handlers_under_faults_end_as_without(seed: int) -> None:
    builder = StateGraph(State)
    policy = RetryPolicy(initial_interval=1.0, max_attempts=2, jitter=False)
    builder.add_node("w", fails, error_handler=handle, retry_policy=policy)
    builder.add_conditional_edges(START, lambda _: [Send("w", {"x": x}) for x in range(4)], ["w"])
    faults = Faults.rough()
    with SimCluster({"g": builder.compile()}, workers=3, coordinators=2, seed=seed, faults=faults) as cluster:
        assert cluster.graph("g").invoke({"l": []})["l"] == [("w", "Broken", f"no {x}", x) for x in range(4)]


def test_a_handler_whose_worker_dies_runs_again() -> None:
    with SimCluster({"g": one().compile()}, faults=CrashWorker("__error_handler__n")) as cluster:
        assert cluster.graph("g").invoke({"l": [], "x": 1})["l"] == [("n", "Broken", "no 1", 1)]


def test_the_handler_of_a_graph_as_a_node_ends_that_graph() -> None:
    def slow(_state: State) -> dict[str, Any]:
        get_stream_writer()("slow")
        return {"l": ["slow"]}

    child = StateGraph(State).add_node("n", fails).add_node("slow", slow)
    child.add_edge(START, "n").add_edge(START, "slow")
    builder = StateGraph(State).add_node("child", child.compile(), error_handler=handle).add_edge(START, "child")
    with SimCluster({"g": builder.compile()}) as cluster:
        assert cluster.graph("g").invoke({"l": [], "x": 2})["l"] == [("child", "Broken", "no 2", 2)]


def test_what_a_dead_worker_leaves_is_handled_too() -> None:
    """`TaskLost` is an error of its node."""

    def seen(_state: State, error: NodeError) -> dict[str, Any]:
        return {"l": [type(error.error).__name__]}

    builder = StateGraph(State).add_node("n", lambda _: {}, error_handler=seen).add_edge(START, "n")
    faults = [CrashWorker("n", nth=nth) for nth in range(1, 6)]
    with SimCluster({"g": builder.compile()}, workers=3, faults=faults) as cluster:
        assert cluster.graph("g").invoke({"l": []})["l"] == ["TaskLost"]


# -- threads -----------------------------------------------------------------------------------------


CONFIG: Any = {"configurable": {"thread_id": "t"}}


def test_a_handler_that_failed_runs_again_on_resume_and_its_node_does_not() -> None:
    ran: list[str] = []

    def node(_state: State) -> dict[str, Any]:
        ran.append("node")
        raise Broken("no")

    def handler(_state: State, error: NodeError) -> dict[str, Any]:
        ran.append(f"handler of {error.node}: {error.error}")
        if len(ran) < 3:
            raise KeyError("not yet")
        return {"l": ["handled"]}

    builder = StateGraph(State).add_node("n", node, error_handler=handler).add_edge(START, "n")
    graph = builder.compile(checkpointer=InMemorySaver())
    with pytest.raises(KeyError):
        graph.invoke({"l": []}, CONFIG)
    assert graph.invoke(None, CONFIG)["l"] == ["handled"]
    assert [what.partition(":")[0] for what in ran] == ["node", "handler of n", "handler of n"]


def test_a_handler_may_ask() -> None:
    def handler(_state: State, error: NodeError) -> Command[Any]:
        return Command(update={"l": [interrupt(f"{error.node}?")]})

    builder = StateGraph(State).add_node("n", fails, error_handler=handler).add_edge(START, "n")
    graph = builder.compile(checkpointer=InMemorySaver())
    (asked,) = graph.invoke({"l": []}, CONFIG)["__interrupt__"]
    assert asked.value == "n?"
    assert graph.invoke(Command(resume="yes"), CONFIG)["l"] == ["yes"]


def test_what_a_handler_has_done_is_not_done_again_on_resume() -> None:
    """LangGraph runs a handler once more that had ended."""
    ran: list[str] = []
    handled = threading.Event()

    def handler(_state: State) -> dict[str, Any]:
        ran.append("handler")
        return {"l": ["handled"]}

    def later(_state: State) -> dict[str, Any]:
        ran.append("later")
        if ran.count("later") == 1:
            assert handled.wait(20)
            raise OSError("once")
        return {"l": ["later"]}

    builder = StateGraph(State).add_node("a", fails, error_handler=handler)
    builder.add_node("z", later).add_edge(START, "a").add_edge(START, "z")
    graph = builder.compile(checkpointer=InMemorySaver())

    def run() -> None:
        for update in graph.stream({"l": []}, CONFIG, stream_mode="updates"):
            if "__error_handler__a" in update:
                handled.set()

    with pytest.raises(OSError, match="once"):
        run()
    assert graph.invoke(None, CONFIG)["l"] == ["handled", "later"]
    assert sorted(ran) == ["handler", "later", "later"]
