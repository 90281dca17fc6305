"""What differs between two versions of a graph is said by name, and equal graphs differ in nothing."""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.graph import END, START, StateGraph
from drumline_graph.differences import PARTS_MAX, differences, summary_of
from drumline_graph.program import Program


class State(TypedDict, total=False):
    a: int
    b: Annotated[list[int], add]


class Wider(TypedDict, total=False):
    a: int
    b: Annotated[list[int], add]
    c: str


class Other(TypedDict, total=False):
    a: str
    b: list[int]


def stay(_state: Any) -> Any:
    return {}


def build(change: Callable[[Any], Any] | None = None, schema: Any = State, **options: Any) -> Program:
    builder = StateGraph(schema).add_node("x", stay, **options).add_node("y", stay).add_edge(START, "x")
    if change is not None:
        change(builder)
    return builder.compile(name="g").program


def sub(pool: str) -> Callable[[Any], Any]:
    inner = StateGraph(State).add_node("deep", stay, metadata={"pool": pool}).add_edge(START, "deep").compile(name="in")
    return lambda builder: builder.add_node("inner", inner).add_edge("x", "inner")


def told(here: Program, there: Program) -> list[str]:
    return differences(summary_of(here), summary_of(there), ("here", "there"))


def test_equal_graphs_differ_in_nothing() -> None:
    assert told(build(), build()) == []


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (build(lambda b: b.add_node("z", stay)), "node 'z': only there"),
        (build(lambda b: b.add_edge("x", "y")), "edge from 'x' to 'y': only there"),
        (build(metadata={"pool": "gpu"}), "'gpu'"),
        (build(defer=True), "'defer', True"),
        (build(lambda b: b.add_conditional_edges("x", stay, ["y", END])), "router 'stay' of 'x': only there"),
        (build(schema=Wider), "field 'c' of the state: only there"),
        (build(schema=Other), "field 'a' of the state: builtins.int here, builtins.str there"),
        (build(schema=Other), "the channel of key 'b'"),
        (build(sub("gpu")), "node 'deep' of subgraph 'inner': only there"),
    ],
)
def test_each_kind_of_difference_is_named(there: Program, expected: str) -> None:
    assert any(expected in line for line in told(build(), there)), told(build(), there)


def test_a_difference_inside_of_a_subgraph_is_named() -> None:
    (line,) = told(build(sub("a")), build(sub("b")))
    assert "node 'deep' of subgraph 'inner'" in line and "'a'" in line and "'b'" in line


def test_a_summary_is_bounded() -> None:
    def many(builder: Any) -> None:
        for number in range(PARTS_MAX):
            builder.add_node(f"n{number}", stay)

    assert len(summary_of(build(many))) == PARTS_MAX
