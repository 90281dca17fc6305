"""A run that a node starts on a cluster, and that asks, goes on where it asked: as a called graph does in LangGraph."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.asking_children import LEDGER, State, children, did, parents
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.inside import Inside

from drumline import Cluster
from drumline.graph import START, StateGraph
from drumline.types import Command, RetryPolicy
from drumline_graph.called_tasks import calls_pool

#: an answer to each question that waits, by its id
ALL = "all"

CASES: list[tuple[str, str, list[Any]]] = [
    ("calls", "asks", ["A"]),
    ("acalls", "asks", ["A"]),
    ("calls", "asks", [ALL]),
    ("calls", "twice", ["A", "B"]),
    ("calls", "fans", [ALL]),
    ("calls", "sends", [ALL]),
    ("calls", "within", ["A"]),
    ("calls", "called", ["A"]),
    ("streams", "asks", ["A"]),
    ("calls", "entry", ["A"]),
    ("starts", "asks", ["A"]),
    ("loops", "", ["A", "B", "C"]),
    ("asks_too", "", ["A", "B", "C"]),
    ("in_a_tool", "asks", ["A"]),
    ("deep", "", ["A"]),
]

#: the client that nodes use; they run in this process
clients: list[Cluster] = []


def child(name: str) -> Any:
    return clients[-1].graph(name)


def in_process(e: Any) -> dict[str, Any]:
    """The graphs of an engine, which call each other in their own process."""
    graphs = children(e)
    built = parents(e, graphs.__getitem__)
    graphs["middle"] = built["calls"].compile()
    return {name: builder.compile(checkpointer=e.InMemorySaver()) for name, builder in built.items()}


def flaky(state: State) -> Any:
    if f"{state['who']} flaky" not in LEDGER:
        did(state, "flaky")
        raise ValueError("not at first")
    return did(state, "flaky")


def graphs_of_cluster() -> dict[str, Any]:
    built = parents(DRUMLINE, child)
    found = {name: builder.compile() for name, builder in built.items()} | children(DRUMLINE)
    found["middle"] = built["calls"].compile()
    again = StateGraph(State)
    again.add_node(
        "n",
        lambda state, config: child("flaky").invoke(state, config),
        retry_policy=RetryPolicy(initial_interval=0.01, retry_on=ValueError),
    )
    found["again"] = again.add_edge(START, "n").compile()
    found["flaky"] = StateGraph(State).add_node("flaky", flaky).add_edge(START, "flaky").compile()
    return found


GRAPHS = graphs_of_cluster()


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def told(graph: Any, command: Any, kind: str, answers: list[Any], *, is_async: bool) -> list[Any]:
    """What each call gives: the state, and the questions that wait."""
    thread, found = on(uuid.uuid4().hex), []
    input: Any = {"who": "p", "log": [kind]}
    for answer in [None, *answers]:
        if answer is not None:
            questions = found[-1].get("__interrupt__", ())
            given = {each.id: f"to {each.value}" for each in questions} if answer == ALL else answer
            input = command(resume=given)
        found.append(asyncio.run(graph.ainvoke(input, thread)) if is_async else graph.invoke(input, thread))
    return [{**each, "__interrupt__": sorted(values_of(each))} for each in found]


def values_of(found: dict[str, Any]) -> list[str]:
    """What waits for an answer. LangGraph tells what a task of a called entrypoint asks twice, under one id."""
    return list({each.id: repr(each.value) for each in found.get("__interrupt__", ())}.values())


@pytest.fixture(scope="module", autouse=True)
def made(server: Any) -> Iterator[Inside]:
    with Inside(server.url, GRAPHS) as inside:
        inside.coordinator()
        inside.worker(pools=("default", calls_pool("default")))
        clients.append(inside.client())
        yield inside
        clients.clear()


@pytest.fixture(autouse=True)
def ledger() -> None:
    LEDGER.clear()


def trace(graph: Any, command: Any, kind: str, answers: list[Any], name: str) -> list[Any]:
    LEDGER.clear()
    return [told(graph, command, kind, answers, is_async=name == "acalls"), list(LEDGER)]


@pytest.mark.parametrize(("name", "kind", "answers"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_it_goes_on_where_it_asked(name: str, kind: str, answers: list[Any]) -> None:
    """The same is told, and the same nodes run, embedded, and where the called graph is a run of its own."""
    expected = trace(in_process(LANGGRAPH)[name], LANGGRAPH.Command, kind, answers, name)
    assert trace(in_process(DRUMLINE)[name], Command, kind, answers, name) == expected
    assert trace(child(name), Command, kind, answers, name) == expected


def test_of_calls_at_once_each_goes_on_from_its_own_question() -> None:
    """Which one asks first is up to their order; whoever has not asked by then is ended with the node."""

    async def main() -> Any:
        thread = on("gathers")
        found = await child("gathers").ainvoke({"who": "p"}, thread)
        while questions := found.get("__interrupt__"):
            found = await child("gathers").ainvoke(Command(resume={each.id: each.value for each in questions}), thread)
        return found["log"]

    assert asyncio.run(main()) == [
        *("first", "was told what of x?", "last"),
        *("first", "was told what of y?", "last"),
        "after",
    ]


def test_calls_from_threads_go_on_each_from_its_own_question() -> None:
    """Though the second time the other thread comes first: each is known by what it asks."""
    thread = on("threads")
    found = child("in_threads").invoke({"who": "p", "log": ["the other way round"]}, thread)
    while questions := found.get("__interrupt__"):
        answers = {each.id: each.value for each in questions}
        found = child("in_threads").invoke(Command(resume=answers), thread)
    told_of = [each for each in found["log"] if each.startswith("was told")]
    assert told_of == ["was told what of x?", "was told what of y?"]
    assert [LEDGER.count(f"{who} was told what of {who}?") for who in "xy"] == [1, 1]


def test_without_a_thread_the_node_asks() -> None:
    """As LangGraph's does: the run ends with the question."""

    def questions(graph: Any) -> list[Any]:
        found = graph.invoke({"who": "p", "log": ["asks"]})
        return [found["log"], [each.value for each in found["__interrupt__"]]]

    graphs = children(LANGGRAPH)
    theirs = questions(parents(LANGGRAPH, graphs.__getitem__)["calls"].compile())
    assert questions(child("calls")) == theirs == [["asks"], ["what of c?"]]
    assert questions(child("starts")) == theirs


def test_others_answer_when_all_were_restarted(server: Any) -> None:
    """Coordinators and workers of the first half are gone. The question has one id on the parent's thread."""
    with Inside(server.url, GRAPHS) as inside:
        clients.append(inside.client())
        with contextlib.ExitStack() as stack:
            stack.callback(clients.pop)
            first = [inside.coordinator(), inside.worker()]
            child("deep").invoke({"who": "p", "log": [""]}, on("t"))
            for service in reversed(first):
                service.stop()
            inside._services.clear()
            inside.coordinator()
            inside.worker()
            [row] = clients[-1].interrupts()
            found = child("deep").invoke(Command(resume={row["interrupt"].id: "yes"}), on("t"))
            assert found["log"] == ["", "asks", "first", "was told yes", "last", "after", "after"]
            assert LEDGER.count("c first") == 1 and clients[-1].interrupts() == []
            rows = list(GRAPHS["deep"].on(clients[-1], "deep").get_state_history(on("t")))
            assert [row.next for row in rows] == [(), ("after",), ("deep",), ("__start__",)]


def test_a_node_that_is_tried_again_starts_another_run() -> None:
    """It would hear of the same failure again, and for ever, if it joined the run that has failed."""
    assert child("again").invoke({"who": "r"})["log"] == ["flaky"]
