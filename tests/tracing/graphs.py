"""Graphs whose traces are compared: built for LangGraph, for drumline, and served by a cluster."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from tests.differential.engines import DRUMLINE, LANGGRAPH, Engine
from typing_extensions import TypedDict

from drumline.langgraph import adapt


class State(TypedDict, total=False):
    xs: Annotated[list[Any], operator.add]


def says(text: str = "hi there") -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage(text)] * 100))


@tool
def adds(n: int) -> int:
    """Adds one."""
    return n + 1


def a(_: Any) -> Any:
    return {"xs": ["a"]}


def models(_: Any) -> Any:
    return {"xs": [says().invoke("q").content, adds.invoke({"n": 1})]}


async def amodels(_: Any) -> Any:
    return {"xs": [(await says().ainvoke("q")).content]}


def child(e: Engine, how: str = "sync") -> Any:
    builder = e.StateGraph(State)
    builder.add_node("in1", a)
    builder.add_node("in2", amodels if how == "async" else models)
    builder.add_edge(e.START, "in1")
    builder.add_edge("in1", "in2")
    return builder.compile()


def whole(e: Engine, how: str = "sync") -> Any:
    """Nodes, models, tools, routers, sent tasks, a subgraph, a Runnable: what traces have."""

    def to_c(_: Any) -> str:
        return "c"

    def c(_: Any) -> Any:
        return e.Command(update={"xs": ["c"]}, goto=[e.Send("w", 1), e.Send("w", 2)])

    def w(n: Any) -> Any:
        return {"xs": [n]}

    builder = e.StateGraph(State)
    builder.add_node("a", a)
    builder.add_node("models", amodels if how == "async" else models)
    builder.add_node("c", c, destinations=("w",))
    builder.add_node("w", w)
    builder.add_node("sub", child(e, how))
    builder.add_node("lam", RunnableLambda(lambda _: {"xs": ["l"]}))
    builder.add_edge(e.START, "a")
    builder.add_edge("a", "models")
    builder.add_conditional_edges("models", to_c, ["c", e.END])
    builder.add_edge("w", "sub")
    builder.add_edge("sub", "lam")
    return builder.compile()


def routed(e: Engine, how: str = "sync") -> Any:
    """Routers on START, on a node twice, and behind a subgraph; one of them a Runnable."""

    def first(_: Any) -> str:
        return "a"

    def second(_: Any) -> list[str]:
        return ["sub"]

    def fourth(_: Any) -> str:
        return "z"

    builder = e.StateGraph(State)
    builder.add_node("a", a)
    builder.add_node("sub", child(e, how))
    builder.add_node("z", a)
    builder.add_conditional_edges(e.START, first, ["a"])
    builder.add_conditional_edges("a", second, ["sub"])
    builder.add_conditional_edges("a", RunnableLambda(lambda _: "z", name="third"), ["z"])
    builder.add_conditional_edges("sub", fourth, ["z"])
    return builder.compile()


def fails(e: Engine, how: str = "sync") -> Any:
    """A node of a subgraph raises."""
    del how

    def boom(_: Any) -> Any:
        raise ValueError("boom")

    inner = e.StateGraph(State)
    inner.add_node("boom", boom)
    inner.add_edge(e.START, "boom")
    builder = e.StateGraph(State)
    builder.add_node("a", a)
    builder.add_node("sub", inner.compile())
    builder.add_edge(e.START, "a")
    builder.add_edge("a", "sub")
    return builder.compile()


def leaves(e: Engine, how: str = "sync") -> Any:
    """A node of a subgraph answers for the graph above."""
    del how

    def up(_: Any) -> Any:
        return e.Command(graph=e.Command.PARENT, update={"xs": ["up"]}, goto="a")

    inner = e.StateGraph(State)
    inner.add_node("up", up)
    inner.add_edge(e.START, "up")
    builder = e.StateGraph(State)
    builder.add_node("a", a)
    builder.add_node("sub", inner.compile(), destinations=("a",))
    builder.add_edge(e.START, "sub")
    return builder.compile()


def calls(e: Engine, how: str = "sync") -> Any:
    """Graphs that nodes call: with their config, without, and from inside of a Runnable."""
    del how
    inner = child(e)

    def bare(_: Any) -> Any:
        return {"xs": inner.invoke({"xs": [0]})["xs"]}

    def handed(_: Any, config: RunnableConfig) -> Any:
        return {"xs": inner.invoke({"xs": [0]}, config)["xs"]}

    def deep(_: Any) -> Any:
        return {"xs": RunnableLambda(lambda x: inner.invoke(x)["xs"], name="between").invoke({"xs": [0]})}

    builder = e.StateGraph(State)
    previous = e.START
    for node in (bare, handed, deep):
        builder.add_node(node.__name__, node)
        builder.add_edge(previous, node.__name__)
        previous = node.__name__
    return builder.compile()


def asks(e: Engine, how: str = "sync", checkpointer: Any = None) -> Any:
    """A node of a subgraph asks the caller; its neighbour goes on."""
    del how

    def question(_: Any) -> Any:
        e.interrupt("well?")

    inner = e.StateGraph(State)
    inner.add_node("question", question)
    inner.add_edge(e.START, "question")
    builder = e.StateGraph(State)
    builder.add_node("sub", inner.compile())
    builder.add_node("a", a)
    builder.add_edge(e.START, "sub")
    builder.add_edge(e.START, "a")
    return builder.compile(checkpointer=checkpointer)


SHAPES = (whole, routed, fails, leaves, calls)
GRAPHS = {
    **{shape.__name__: shape(DRUMLINE) for shape in (*SHAPES, asks)},
    **{f"adapted_{shape.__name__}": adapt(shape(LANGGRAPH)) for shape in (whole, routed, asks)},
    "async_whole": whole(DRUMLINE, "async"),
}
