"""LangGraph's `GraphCallbackHandler`: told of questions, and of graphs that go on, embedded and on a cluster."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.callbacks import GraphCallbackHandler, GraphInterruptEvent, GraphResumeEvent
from langgraph.checkpoint.memory import InMemorySaver as TheirSaver
from langgraph.types import Command as TheirCommand
from langgraph.types import Interrupt
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.tracing import graphs
from tests.tracing.recorder import Recorder

from drumline import Cluster
from drumline.checkpoint.memory import InMemorySaver
from drumline.langgraph import adapt
from drumline.types import Command


class Listener(GraphCallbackHandler, Recorder):
    """Remembers questions, what goes on, and runs."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def on_interrupt(self, event: GraphInterruptEvent) -> Any:
        self.events.append(event)

    def on_resume(self, event: GraphResumeEvent) -> Any:
        self.events.append(event)


class AsyncListener(Listener):
    """The same, by coroutines."""

    async def on_interrupt(self, event: GraphInterruptEvent) -> None:
        self.events.append(event)

    async def on_resume(self, event: GraphResumeEvent) -> None:
        self.events.append(event)


Places = dict[str, Callable[[Cluster], Any]]
PLACES: Places = {
    "embedded": lambda _: graphs.asks(DRUMLINE),
    "adapted": lambda _: adapt(graphs.asks(LANGGRAPH)),
    "cluster": lambda cluster: cluster.graph("asks", graph=graphs.GRAPHS["asks"]),
    "adapted, cluster": lambda cluster: cluster.graph("adapted_asks", graph=graphs.GRAPHS["adapted_asks"]),
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


class Talk:
    """Runs on one thread, and what a handler of each hears: kind, status, names of graphs, how checkpoints recur."""

    def __init__(self, graph: Any, kind: type[Listener]) -> None:
        self._graph = graph
        self._kind = kind
        self._thread = uuid.uuid4().hex
        self._places: dict[str, int] = {}
        self.heard: list[list[Any]] = []

    def run(self, given: Any, **on: Any) -> None:
        listener = self._kind()
        config = {"callbacks": [listener], "configurable": {"thread_id": self._thread, **on}}
        if self._kind is AsyncListener:
            asyncio.run(self._graph.ainvoke(given, config))
        else:
            self._graph.invoke(given, config)
        known = [{event.run_id for event in listener.events if not event.checkpoint_ns}, set(listener.roots)]
        assert not listener.events or known[0] == known[1], "events of the root have its run id"
        self.heard.append([self._plain(event) for event in listener.events])

    def _plain(self, event: Any) -> Any:
        assert event.checkpoint_id
        place = self._places.setdefault(event.checkpoint_id, len(self._places))
        ns = [part.partition(":")[0] for part in event.checkpoint_ns]
        return type(event).__name__, event.status, ns, place

    def checkpoint_before(self, node: str) -> str:
        config: Any = {"configurable": {"thread_id": self._thread}}
        found = [each for each in self._graph.get_state_history(config) if node in each.next]
        return str(found[-1].config["configurable"]["checkpoint_id"])


ON_THREADS: Places = {
    **PLACES,
    "embedded": lambda _: graphs.asks(DRUMLINE, checkpointer=InMemorySaver()),
    "adapted": lambda _: adapt(graphs.asks(LANGGRAPH, checkpointer=TheirSaver())),
}


def talk(graph: Any, answer: Any, kind: type[Listener]) -> list[list[Any]]:
    talk = Talk(graph, kind)
    talk.run({"xs": []})
    talk.run(answer)
    talk.run(None, checkpoint_id=talk.checkpoint_before("sub"))
    talk.run({"xs": ["new"]})
    return talk.heard


@pytest.mark.parametrize("place", ON_THREADS.values(), ids=ON_THREADS.keys())
@pytest.mark.parametrize("kind", [Listener, AsyncListener], ids=["sync", "async"])
def test_what_goes_on_is_told_as_by_langgraph(
    place: Callable[[Cluster], Any], kind: type[Listener], cluster: Cluster
) -> None:
    expected = talk(graphs.asks(LANGGRAPH, checkpointer=TheirSaver()), TheirCommand(resume="yes"), kind)
    assert ["GraphResumeEvent" in str(heard) for heard in expected] == [False, True, True, False]
    assert talk(place(cluster), Command(resume="yes"), kind) == expected


class Broken(Listener):
    def on_interrupt(self, event: GraphInterruptEvent) -> Any:
        raise ValueError(f"at {event.status}")

    def on_resume(self, event: GraphResumeEvent) -> Any:
        raise ValueError(f"at {event.status}")


class AsyncBroken(Listener):
    async def on_interrupt(self, event: GraphInterruptEvent) -> None:
        raise ValueError(f"at {event.status}")

    async def on_resume(self, event: GraphResumeEvent) -> None:
        raise ValueError(f"at {event.status}")


@pytest.mark.parametrize("kind", [Broken, AsyncBroken], ids=["sync", "async"])
def test_a_handler_that_raises_is_logged_and_changes_nothing(
    kind: type[Listener], caplog: pytest.LogCaptureFixture
) -> None:
    graph = graphs.asks(DRUMLINE, checkpointer=InMemorySaver())

    def run(given: Any) -> Any:
        config: Any = {"callbacks": [kind()], "configurable": {"thread_id": "1"}}
        return asyncio.run(graph.ainvoke(given, config)) if kind is AsyncBroken else graph.invoke(given, config)

    assert "__interrupt__" in run({"xs": []})
    assert run(Command(resume="yes")) == {"xs": ["a"]}
    assert "on_interrupt callback" in caplog.text and "on_resume callback" in caplog.text


ALONE = """
import asyncio, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "langgraph":
            raise ImportError(name)

sys.meta_path.insert(0, Hidden())
from langchain_core.callbacks import BaseCallbackHandler
from typing_extensions import TypedDict
from drumline.checkpoint.memory import InMemorySaver
from drumline.graph import START, StateGraph
from drumline.types import Command, interrupt

State = TypedDict("State", {"a": str})
builder = StateGraph(State).add_node("n", lambda _: {"a": interrupt("well?")}).add_edge(START, "n")
graph = builder.compile(checkpointer=InMemorySaver())

def on(thread):
    return {"callbacks": [BaseCallbackHandler()], "configurable": {"thread_id": thread}}

print("__interrupt__" in graph.invoke({"a": ""}, on("1")), graph.invoke(Command(resume="yes"), on("1")))
asked = asyncio.run(graph.ainvoke({"a": ""}, on("2")))
print("__interrupt__" in asked, asyncio.run(graph.ainvoke(Command(resume="yes"), on("2"))))
"""


def test_runs_that_ask_are_traced_where_there_is_no_langgraph() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["True {'a': 'yes'}"] * 2, done.stderr
