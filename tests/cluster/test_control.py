"""`control=` and `runtime.control` on a cluster: the run stops in front of its next superstep, as in LangGraph."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH, Engine

from drumline.langgraph import adapt
from drumline.runtime import RunControl
from drumline.testing import SimCluster, local_cluster

CONFIG = {"configurable": {"thread_id": "t"}}


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Story:
    """a, then b, then c; what the node `at` does while it runs is up to `act`."""

    def __init__(self, e: Engine, at: str, act: Any) -> None:
        self.e = e
        self.ran: list[str] = []

        def node(name: str) -> Any:
            def run(_state: State, runtime: e.Runtime) -> State:  # type: ignore[name-defined]
                self.ran.append(name)
                if name == at:
                    act(runtime)
                return {"log": [name]}

            run.__annotations__["runtime"] = e.Runtime
            return run

        builder = e.StateGraph(State)
        for name in "abc":
            builder.add_node(name, node(name))
        self.builder = builder.add_edge(e.START, "a").add_edge("a", "b").add_edge("b", "c")


def drained(run: Any) -> str:
    """The reason of the `GraphDrained` that a call ends with."""
    with pytest.raises(DRUMLINE.module("errors").GraphDrained) as raised:
        run()
    reason: str = raised.value.reason
    return reason


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_node_asks_its_run_to_stop(use_async: bool) -> None:
    story = Story(DRUMLINE, "a", lambda runtime: runtime.control.request_drain("deploy"))
    with SimCluster({"g": story.builder.compile()}) as cluster:
        graph = cluster.graph("g")

        def run() -> Any:
            return asyncio.run(graph.ainvoke({"log": []}, CONFIG)) if use_async else graph.invoke({"log": []}, CONFIG)

        assert drained(run) == "deploy"
        assert story.ran == ["a"]
        assert graph.invoke(None, CONFIG) == {"log": ["a", "b", "c"]}


def test_a_node_of_langgraphs_asks_its_run_to_stop() -> None:
    story = Story(LANGGRAPH, "b", lambda runtime: runtime.control.request_drain("deploy"))
    with SimCluster({"g": adapt(story.builder.compile())}) as cluster, pytest.raises(Exception, match="deploy"):
        cluster.graph("g").invoke({"log": []}, CONFIG)
    assert story.ran == ["a", "b"]


def test_a_node_that_asks_in_the_last_superstep_changes_nothing() -> None:
    story = Story(DRUMLINE, "c", lambda runtime: runtime.control.request_drain("deploy"))
    with SimCluster({"g": story.builder.compile()}) as cluster:
        assert cluster.graph("g").invoke({"log": []}) == {"log": ["a", "b", "c"]}


def test_a_failed_node_has_asked_all_the_same() -> None:
    """Its error is what the run ends with; a node beside it that asks a question leaves the run to be drained."""

    def act(runtime: Any) -> None:
        runtime.control.request_drain("deploy")
        DRUMLINE.interrupt("well?")

    story = Story(DRUMLINE, "a", act)
    with SimCluster({"g": story.builder.compile()}) as cluster:
        graph = cluster.graph("g")
        asked = graph.invoke({"log": []}, CONFIG)["__interrupt__"]
        assert [each.value for each in asked] == ["well?"]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_the_caller_asks_while_a_node_runs(use_async: bool) -> None:
    begun, asked = threading.Event(), threading.Event()

    def act(_runtime: Any) -> None:
        begun.set()
        assert asked.wait(20)

    story, control = Story(DRUMLINE, "a", act), RunControl()
    with local_cluster({"g": story.builder.compile()}) as cluster:
        graph = cluster.graph("g")

        def ask() -> None:
            assert begun.wait(20)
            control.request_drain("deploy")
            cluster.link.canceller.flush()  # the request is at the broker
            asked.set()

        threading.Thread(target=ask).start()

        def run() -> Any:
            given = ({"log": []}, CONFIG)
            if use_async:
                return asyncio.run(graph.ainvoke(*given, control=control))
            return graph.invoke(*given, control=control)

        assert drained(run) == "deploy"
        assert story.ran == ["a"]
        assert graph.invoke(None, CONFIG) == {"log": ["a", "b", "c"]}


def test_a_run_that_was_asked_before_does_nothing() -> None:
    story, control = Story(DRUMLINE, "a", None), RunControl()
    control.request_drain("before")
    with local_cluster({"g": story.builder.compile()}) as cluster:
        graph = cluster.graph("g")
        assert drained(lambda: graph.invoke({"log": []}, CONFIG, control=control)) == "before"
        assert story.ran == []
        assert drained(lambda: graph.invoke(None, CONFIG, control=control)) == "before"
        assert story.ran == []
