"""LangGraph's `GraphCallbackHandler`: called when a run ends with a question, embedded and on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.callbacks import GraphCallbackHandler, GraphInterruptEvent
from langgraph.types import Interrupt
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.tracing import graphs
from tests.tracing.recorder import Recorder

from drumline import Cluster
from drumline.langgraph import adapt


class Listener(GraphCallbackHandler, Recorder):
    """Remembers questions, and runs."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[GraphInterruptEvent] = []

    def on_interrupt(self, event: GraphInterruptEvent) -> Any:
        self.events.append(event)


class AsyncListener(Listener):
    """The same, by a coroutine."""

    async def on_interrupt(self, event: GraphInterruptEvent) -> None:
        self.events.append(event)


Places = dict[str, Callable[[Cluster], Any]]
PLACES: Places = {
    "embedded": lambda _: graphs.asks(DRUMLINE),
    "adapted": lambda _: adapt(graphs.asks(LANGGRAPH)),
    "cluster": lambda cluster: cluster.graph("asks"),
    "adapted, cluster": lambda cluster: cluster.graph("adapted_asks"),
}


def checked(listener: Listener) -> None:
    theirs = Listener()
    graphs.asks(LANGGRAPH).invoke({"xs": []}, {"callbacks": [theirs]})
    (expected,), (event,) = theirs.events, listener.events
    assert [type(event), event.status, event.checkpoint_ns] == [GraphInterruptEvent, expected.status, ()]
    assert [item.value for item in event.interrupts] == [item.value for item in expected.interrupts] == ["well?"]
    assert all(isinstance(item, Interrupt) for item in event.interrupts)
    assert [event.run_id] == listener.roots
    ends = {path[1:]: end[0] for path, end in listener.ends().items()}
    assert ends == {path[1:]: end[0] for path, end in theirs.ends().items()}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_sync(place: Callable[[Cluster], Any], cluster: Cluster) -> None:
    listener = Listener()
    assert "__interrupt__" in place(cluster).invoke({"xs": []}, {"callbacks": [listener]})
    checked(listener)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("kind", [Listener, AsyncListener])
def test_async(place: Callable[[Cluster], Any], kind: type[Listener], cluster: Cluster) -> None:
    listener = kind()
    assert "__interrupt__" in asyncio.run(place(cluster).ainvoke({"xs": []}, {"callbacks": [listener]}))
    checked(listener)


def test_a_run_that_ends_well_asks_nothing() -> None:
    listener = Listener()
    graphs.whole(DRUMLINE).invoke({"xs": []}, {"callbacks": [listener]})
    assert listener.events == []
