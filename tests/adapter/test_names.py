"""Nodes whose names are members of an `Enum`: text on drumline's side, equal to the member."""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from tests.differential.harness import ALL_MODES, record
from typing_extensions import TypedDict

from drumline.langgraph import adapt


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Name(str, Enum):
    A = "a"
    B = "b"
    C = "c"


def says(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda _: {"log": [name]}


def nodes(first: Any = None) -> Any:
    builder = StateGraph(Log).add_node(Name.A, first or says("a")).add_node(Name.B, says("b"))  # type: ignore[arg-type]
    return builder.add_edge(START, Name.A)


def joined() -> Any:
    builder = nodes().add_edge(START, Name.B).add_node(Name.C, says("c"))
    return builder.add_edge([Name.A, Name.B], Name.C)


def in_a_subgraph() -> Any:
    inner = StateGraph(Log).add_node(Name.C, says("c")).add_edge(START, Name.C).compile()  # type: ignore[arg-type]
    return nodes(inner).add_conditional_edges(Name.A, lambda _: "there", {"there": Name.B})


def leaves() -> Any:
    def up(_: Any) -> Any:
        return Command(graph=Command.PARENT, update={"log": ["up"]}, goto=Name.B)

    return nodes(StateGraph(Log).add_node(Name.C, up).add_edge(START, Name.C).compile())  # type: ignore[arg-type]


BUILDS: dict[str, Callable[[], Any]] = {
    "edges": lambda: nodes().add_edge(Name.A, Name.B),
    "router": lambda: nodes().add_conditional_edges(Name.A, lambda _: Name.B, [Name.B]),
    "router of START": lambda: (
        StateGraph(Log).add_node(Name.A, says("a")).add_conditional_edges(START, lambda _: Name.A, {Name.A: Name.A})  # type: ignore[arg-type]
    ),
    "goto": lambda: nodes(lambda _: Command(goto=Name.B, update={"log": ["a"]})),  # type: ignore[arg-type]
    "gotos": lambda: nodes(lambda _: Command(goto=[Name.B, Send(Name.B, {"log": []})])),
    "sends": lambda: nodes().add_conditional_edges(
        Name.A, lambda state: [Send(Name.B, state), Send(Name.B.value, state)], [Name.B]
    ),
    "join": joined,
    "deferred": lambda: (
        StateGraph(Log)
        .add_node(Name.A, says("a"))  # type: ignore[arg-type]
        .add_node(Name.B, says("b"), defer=True)  # type: ignore[arg-type]
        .add_edge(START, Name.A)
        .add_edge(START, Name.B)
        .add_edge(Name.B, END)
    ),
    "subgraph": in_a_subgraph,
    "for the graph above": leaves,
}


def text(value: Any) -> Any:
    """A payload with the members in it as text."""
    if isinstance(value, Name):
        return value.value
    if isinstance(value, dict):
        return {text(key): text(item) for key, item in value.items()}
    return type(value)(map(text, value)) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("strict", [False, True], ids=["by reference", "strict"])
@pytest.mark.parametrize("kind", BUILDS)
def test_nodes_run(kind: str, strict: bool, use_async: bool) -> None:
    graph = BUILDS[kind]().compile()
    modes = ["updates", "values"]
    expected = record(graph, {"log": []}, modes, subgraphs=False)
    found = record(adapt(graph, strict_wire=strict), {"log": []}, modes, subgraphs=False, use_async=use_async)
    assert found.error is None and expected.error is None
    assert len(expected.items) > 2
    for mode in modes:
        shown = [repr(text(payload)) for payload in found.payloads(mode)]
        assert sorted(shown) == sorted(repr(text(payload)) for payload in expected.payloads(mode))


def test_updates_are_found_by_the_member() -> None:
    graph = adapt(BUILDS["edges"]().compile(), strict_wire=True)
    first, second = graph.stream({"log": []}, stream_mode="updates")
    assert (first[Name.A], second[Name.B]) == ({"log": ["a"]}, {"log": ["b"]})  # type: ignore[index]
    tasks = [item for item in record(graph, {"log": []}, ALL_MODES).payloads("tasks") if "triggers" in item]
    assert [item["triggers"] for item in tasks] == [("branch:to:a",), ("branch:to:b",)]


def test_the_fingerprint_is_that_of_the_text() -> None:
    by_text = StateGraph(Log).add_node("a", says("a")).add_node("b", says("b"))  # type: ignore[arg-type]
    by_text.add_edge(START, "a").add_edge("a", "b")
    by_member = BUILDS["edges"]()
    assert adapt(by_member.compile()).program.fingerprint == adapt(by_text.compile()).program.fingerprint
