"""Drawings against LangGraph's, text for text."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from langgraph.graph import StateGraph as LangStateGraph
from langgraph.types import Command as TheirCommand
from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.constants import END, START
from drumline_graph.draw import drawable
from drumline_graph.types import Command


class State(TypedDict):
    l: Annotated[list, operator.add]  # noqa: E741


def node(state: Any) -> None: ...


class Compiled:
    """A node that holds a program, as the face's compiled graphs do."""

    def __init__(self, program: Any) -> None:
        self.program = program

    def __call__(self, state: Any) -> Any: ...


def ours(build: Callable[..., Any]) -> Any:
    return build(StateGraph(State), lambda g: Compiled(g.compile()), StateGraph, Command).compile()


def theirs(build: Callable[..., Any]) -> Any:
    graph = build(LangStateGraph(State), lambda g: g.compile(), LangStateGraph, TheirCommand)
    return graph.compile()


def letters(graph: Any, names: str) -> Any:
    for name in names:
        graph.add_node(name, node)
    return graph


def everything(graph: Any, _wrap: Any, _new: Any, command: Any) -> Any:
    def a(state: Any) -> None: ...

    a.__annotations__["return"] = command[Literal["b", "__end__"]]
    graph.add_node(a).add_node("b", node, metadata={"pool": "gpu", "z": 1})
    graph.add_node("c", node, defer=True).add_node("d e", node).add_node("x.y-z", node)
    graph.add_edge(START, "a").add_edge("b", "c").add_edge(["b", "c"], "d e").add_edge("d e", "x.y-z")
    return graph.add_conditional_edges("d e", node, {"yes": "a", "no": END, "b": "b"})


def chain(graph: Any, *_: Any) -> Any:
    return letters(graph, "xyz").add_sequence([("p", node), ("q", node)]).add_edge(START, "p")


def loop(graph: Any, *_: Any) -> Any:
    return letters(graph, "nm").add_edge(START, "n").add_edge("n", "m").add_edge("m", "n")


def loops(graph: Any, wrap: Any, new: Any, _: Any) -> Any:
    inner = letters(new(State), "pq").add_edge(START, "p").add_edge("q", END)
    inner.add_conditional_edges("p", node, {"again": "p", "on": "q"})
    letters(graph.add_node("sub", wrap(inner)), "az").add_edge(START, "a").add_edge("sub", END)
    graph.add_conditional_edges("a", node, {"redo": "a", "go": "z", "sub": "sub"})
    return graph.add_conditional_edges("z", node, ["z", "sub"])


def agent(graph: Any, *_: Any) -> Any:
    letters(graph, "nm").add_edge(START, "n").add_edge("m", "n")
    return graph.add_conditional_edges("n", node, ["m", END])


def fan(graph: Any, *_: Any) -> Any:
    letters(graph, "nkmjx").add_edge(START, "n").add_edge(START, "k").add_edge(["n", "k"], "m")
    return graph.add_edge("k", "m").add_edge("m", "j").add_edge("j", "x")


def start_router(graph: Any, *_: Any) -> Any:
    return letters(graph, "nm").add_conditional_edges(START, node, {"a label": "n", "m": "m"})


def long_label(graph: Any, *_: Any) -> Any:
    label = "one two three four five six seven eight nine ten eleven"
    return letters(graph, "nm").add_edge(START, "n").add_conditional_edges("n", node, {label: "m"})


def unreachable(graph: Any, *_: Any) -> Any:
    return letters(graph, "nmk").add_edge(START, "n").add_edge("m", "k").add_edge(["n", "m"], "k")


def destinations(graph: Any, *_: Any) -> Any:
    graph.add_node("n", node, destinations={"m": "label"})
    return letters(graph, "m").add_edge(START, "n")


def same_target(graph: Any, *_: Any) -> Any:
    letters(graph, "nm").add_edge(START, "n").add_edge("n", "m")
    return graph.add_conditional_edges("n", node, {"a": "m", "b": "m"})


def subgraph(graph: Any, wrap: Any, new: Any, _: Any) -> Any:
    inner = letters(new(State), "pq").add_edge(START, "p")
    inner.add_conditional_edges("p", node, ["q", END])
    letters(graph.add_node("sub", wrap(inner)), "z").add_edge(START, "sub")
    return graph.add_edge("sub", "z")


def small_subgraph(graph: Any, wrap: Any, new: Any, _: Any) -> Any:
    inner = letters(new(State), "x").add_edge(START, "x")
    letters(graph.add_node("sub", wrap(inner)), "z").add_edge(START, "sub")
    return graph.add_edge("sub", "z")


BUILDS = [
    everything, chain, loop, agent, fan, start_router, long_label, unreachable, destinations,
    same_target, subgraph, small_subgraph, loops,
]  # fmt: skip


@pytest.mark.parametrize("xray", [False, True])
@pytest.mark.parametrize("build", BUILDS)
def test_mermaid_text_is_langgraphs(build: Any, xray: bool) -> None:
    assert drawable(ours(build), xray).draw_mermaid() == theirs(build).get_graph(xray=xray).draw_mermaid()


@pytest.mark.parametrize("xray", [False, True])
@pytest.mark.parametrize("build", BUILDS)
def test_plain_text_and_json_are_langgraphs(build: Any, xray: bool) -> None:
    mine, other = drawable(ours(build), xray), theirs(build).get_graph(xray=xray)
    assert mine.draw_mermaid(with_styles=False) == other.draw_mermaid(with_styles=False)
    mine_json, other_json = mine.to_json(), other.to_json()
    assert mine_json["edges"] == other_json["edges"]
    assert [n["id"] for n in mine_json["nodes"]] == [n["id"] for n in other_json["nodes"]]
    assert list(mine.nodes) == list(other.nodes)
    assert mine.edges == other.edges


def test_xray_depth() -> None:
    def nested(graph: Any, wrap: Any, new: Any, command: Any) -> Any:
        inner = subgraph(new(State), wrap, new, command)
        return graph.add_node("outer", wrap(inner)).add_edge(START, "outer")

    program = ours(nested)
    assert "outer" in drawable(program).nodes
    assert "outer:sub" in drawable(program, 1).nodes
    assert "outer:sub:p" in drawable(program, 2).nodes
    assert "subgraph sub" in drawable(program, True).draw_mermaid()
