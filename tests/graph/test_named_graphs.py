"""The graph that a node's code calls is found where LangGraph finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict
from unittest.mock import Mock

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH


class State(TypedDict):
    n: int


class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held

    def node(self, state: State) -> Any:
        return self.held.invoke(state)

    @property
    def made(self) -> Any:
        raise RuntimeError("a property was run")


class Items(list[Any]):
    """A list with attributes."""


def leaf(e: Any) -> Any:
    return e.StateGraph(State).add_node("x", lambda _: {"n": 1}).add_edge(e.START, "x").compile()


def its_name(graph: Any) -> Any:
    def node(state: State) -> Any:
        return graph.invoke(state)

    return node


def its_method(graph: Any) -> Any:
    call = graph.invoke

    def node(state: State) -> Any:
        return call(state)

    return node


def behind_attributes(graph: Any) -> Any:
    holder = Holder(Holder(graph))

    def node(state: State) -> Any:
        return holder.held.held.invoke(state)

    return node


def in_a_function_within(graph: Any) -> Any:
    holder = Holder(graph)

    def node(state: State) -> Any:
        def inner() -> Any:
            return holder.held.invoke(state)

        return inner()

    return node


def an_attribute_of_a_list(graph: Any) -> Any:
    items = Items()
    items.held = graph  # type: ignore[attr-defined]

    def node(state: State) -> Any:
        return items.held.invoke(state)  # type: ignore[attr-defined]

    return node


def an_item_of_a_list(graph: Any) -> Any:
    items = [graph]

    def node(state: State) -> Any:
        return items[0].invoke(state)

    return node


def of_self(graph: Any) -> Any:
    return Holder(graph).node


def no_such_attribute(_graph: Any) -> Any:
    holder = Holder("text")

    def node(state: State) -> Any:
        return holder.held.held.invoke(state)

    return node


def half_of_the_way(graph: Any) -> Any:
    holder = Holder(Holder(graph))

    def node(_state: State) -> Any:
        return {"n": len(str(holder.held))}

    return node


def a_mock(_graph: Any) -> Any:
    return Mock(return_value={"n": 1})


SHAPES: list[Callable[[Any], Any]] = [
    *(its_name, its_method, behind_attributes, in_a_function_within, an_attribute_of_a_list),
    *(an_item_of_a_list, of_self, no_such_attribute, half_of_the_way, a_mock),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_called_graph_is_found(shape: Callable[[Any], Any]) -> None:
    def found(e: Any) -> list[str]:
        graph = e.StateGraph(State).add_node("n", shape(leaf(e))).add_edge(e.START, "n").compile()
        return [name for name, _ in graph.get_subgraphs()]

    assert found(DRUMLINE) == found(LANGGRAPH)


def test_no_property_is_run() -> None:
    holder = Holder(None)

    def node(state: State) -> Any:
        return holder.made.invoke(state)

    graph = DRUMLINE.StateGraph(State).add_node("n", node).add_edge(DRUMLINE.START, "n").compile()
    assert list(graph.get_subgraphs()) == []
