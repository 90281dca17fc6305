"""`control=` and `runtime.control` on a cluster stop a run between two supersteps, as they do in one process."""

import asyncio
import threading
from typing import Any, TypedDict

import pytest
from langgraph.errors import GraphDrained as TheirDrained
from langgraph.runtime import RunControl as TheirControl
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.states import EMPTY
from tests.differential.test_rules_draining import build

from drumline.errors import GraphDrained
from drumline.graph import START, StateGraph
from drumline.runtime import RunControl
from drumline.testing import local_cluster

CONFIG: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    at: str


@pytest.mark.parametrize("at", ["a", "b", "z"])
def test_a_node_asks(at: str) -> None:
    def streamed(graph: Any) -> list[Any]:
        found: list[Any] = []
        try:
            found += graph.stream(EMPTY, stream_mode="values")
        except (GraphDrained, TheirDrained) as error:
            found.append((type(error).__name__, error.reason))
        return found

    theirs = streamed(build(LANGGRAPH, at=at))
    with local_cluster({"g": build(DRUMLINE, at=at)}) as cluster:
        assert streamed(cluster.graph("g")) == theirs
    assert theirs


class Gated:
    """A graph of two nodes, the first of which waits until it may end."""

    def __init__(self) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()

        def first(_: State) -> State:
            self.begun.set()
            assert self.gate.wait(20)
            return {"at": "first"}

        builder = StateGraph(State).add_node("first", first).add_node("second", lambda _: {"at": "second"})
        self.graph = builder.add_edge(START, "first").add_edge("first", "second").compile()


def call(graph: Any, *, is_async: bool, control: Any) -> Any:
    if is_async:
        return asyncio.run(graph.ainvoke({}, CONFIG, control=control))
    return graph.invoke({}, CONFIG, control=control)


@pytest.mark.parametrize("make", [RunControl, TheirControl], ids=["ours", "langgraph's"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_caller_asks_and_goes_on_later(make: Any, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    gated, control = Gated(), make()
    with local_cluster({"g": gated.graph}) as cluster:
        graph = cluster.graph("g")
        drained = threading.Event()
        drain = cluster.link.drain

        def noted(*args: Any) -> None:
            drain(*args)
            drained.set()

        monkeypatch.setattr(cluster.link, "drain", noted)

        def ask() -> None:
            assert gated.begun.wait(20)
            control.request_drain("deploy")
            assert drained.wait(20)
            gated.gate.set()

        asking = threading.Thread(target=ask)
        asking.start()
        with pytest.raises(GraphDrained) as caught:
            call(graph, is_async=is_async, control=control)
        asking.join(20)
        assert caught.value.reason == "deploy"
        assert graph.get_state(CONFIG).values == {"at": "first"}
        assert graph.invoke(None, CONFIG) == {"at": "second"}


def test_a_run_that_was_asked_before_does_nothing() -> None:
    gated, control = Gated(), RunControl()
    control.request_drain()
    with local_cluster({"g": gated.graph}) as cluster, pytest.raises(GraphDrained, match="shutdown"):
        cluster.graph("g").invoke({}, control=control)
    assert not gated.begun.is_set()


def test_a_control_that_nobody_uses_stays_with_no_run() -> None:
    gated, control = Gated(), RunControl()
    gated.gate.set()
    with local_cluster({"g": gated.graph}) as cluster:
        assert cluster.graph("g").invoke({}, control=control) == {"at": "second"}
    assert not control._watchers
