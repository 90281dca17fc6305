"""Drawings against LangGraph's, text for text."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from langchain_core.runnables import RunnableLambda
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


def deferred(graph: Any, *_: Any) -> Any:
    """`z` waits for `y` too, which nothing leads from to it."""
    letters(graph, "axyk").add_node("z", node, defer=True).add_node("j", node, defer=True)
    graph.add_edge(START, "a").add_edge("a", "x").add_edge("x", "y").add_edge("a", "z").add_edge("z", "k")
    return graph.add_edge(["a", "x"], "j")


def deferred_in_a_loop(graph: Any, *_: Any) -> Any:
    letters(graph, "ab").add_node("z", node, defer=True).add_edge(START, "a").add_edge("a", "b").add_edge("a", "z")
    return graph.add_conditional_edges("b", node, ["a", "z"])


BUILDS = [
    deferred, deferred_in_a_loop,
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
    assert list(map(_shown, mine_json["nodes"])) == list(map(_shown, other_json["nodes"]))
    assert list(mine.nodes) == list(other.nodes)
    assert mine.edges == other.edges


def _shown(drawn: Any) -> Any:
    """A node of the JSON without the class of it."""
    return {**drawn, **({"data": drawn["data"]["name"]} if "data" in drawn else {})}


def test_a_drawing_shows_what_stops_and_which_tools_there_are() -> None:
    class Tools(RunnableLambda[Any, Any]):
        tools_by_name: dict[str, Any] = {"search": node, "pay": node}  # noqa: RUF012 - as ToolNode has it

    def build(new: Any) -> Any:
        graph = (
            letters(new(State), "abc")
            .add_node("tools", Tools(node), metadata={"a": ("#1", 2), "b": {}, "c": "<x>"})
            .add_node("late", node, defer=True)
        )
        graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "tools").add_edge("c", "late")
        return graph

    before, after = ("a", "b"), ("b", "late")
    program = replace(build(StateGraph).compile(), stops_before=before, stops_after=after)
    compiled = build(LangStateGraph).compile(interrupt_before=[*before], interrupt_after=[*after])
    mine, other = drawable(program), compiled.get_graph()
    assert {id_: drawn.metadata for id_, drawn in mine.nodes.items()} == {
        id_: drawn.metadata for id_, drawn in other.nodes.items()
    }
    assert mine.draw_mermaid() == other.draw_mermaid()


def test_the_json_of_a_runnable_names_its_class() -> None:
    def build(new: Any) -> Any:
        return new(State).add_node("chain", RunnableLambda(node) | RunnableLambda(node)).add_edge(START, "chain")

    mine, other = drawable(build(StateGraph).compile()), build(LangStateGraph).compile().get_graph()
    assert mine.to_json()["nodes"][1] == other.to_json()["nodes"][1]


def test_xray_opens_a_graph_that_a_node_calls() -> None:
    from drumline.graph import StateGraph as Ours

    def build(new: Any) -> Any:
        inner = letters(new(State), "pq").add_edge(START, "p").add_edge("p", "q").compile()

        def calls(state: Any) -> Any:
            return inner.invoke(state)

        return letters(new(State), "z").add_node(calls).add_edge(START, "calls").add_edge("calls", "z").compile()

    mine, other = build(Ours), build(LangStateGraph)
    for xray in (False, 1, True):
        assert mine.get_graph(xray=xray).draw_mermaid() == other.get_graph(xray=xray).draw_mermaid()


def test_xray_of_a_graph_that_calls_itself_has_an_end() -> None:
    from drumline.graph import StateGraph as Ours

    graph: Any = None

    def calls(state: Any) -> Any:
        return graph.invoke(state)

    graph = Ours(State).add_node(calls).add_edge(START, "calls").compile()
    outer = Ours(State).add_node("graph", lambda state: graph.invoke(state)).add_edge(START, "graph").compile()
    assert "graph:calls" in outer.get_graph(xray=True).nodes


def test_xray_depth() -> None:
    def nested(graph: Any, wrap: Any, new: Any, command: Any) -> Any:
        inner = subgraph(new(State), wrap, new, command)
        return graph.add_node("outer", wrap(inner)).add_edge(START, "outer")

    program = ours(nested)
    assert "outer" in drawable(program).nodes
    assert "outer:sub" in drawable(program, 1).nodes
    assert "outer:sub:p" in drawable(program, 2).nodes
    assert "subgraph sub" in drawable(program, True).draw_mermaid()
