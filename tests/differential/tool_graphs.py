"""Graphs of one tool node, whose tools a given message calls: for `test_prebuilt_tools` and its neighbours."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from tests.prebuilt.models import call

from .engines import Engine
from .harness import ALL_MODES, same

MODES = [*ALL_MODES, "messages"]
both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
Maker = Callable[[Engine], list[Any]]


def asks(*calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Messages, the last of which calls tools."""
    made = [call(f"c{number}", name, args) for number, (name, args) in enumerate(calls)]
    return [HumanMessage("go", id="h"), AIMessage("", id="a", tool_calls=made)]


def graph_of(e: Engine, tools: Maker, **options: Any) -> Any:
    """A graph of one tool node, with some state beside the messages."""

    class State(TypedDict):
        messages: Annotated[list[AnyMessage], e.add_messages]
        log: Annotated[list[str], operator.add]
        user: str

    node = e.ToolNode(tools(e), **options)
    graph = e.StateGraph(State).add_node("tools", node).add_node("other", lambda _: {"log": ["other"]})
    return graph.add_edge(e.START, "tools").compile()


def calls_same(
    other: Engine,
    tools: Maker,
    *calls: tuple[str, dict[str, Any]],
    node: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    given = {"messages": asks(*calls), "log": ["begin"], "user": "ann"}
    return same(lambda e: graph_of(e, tools, **(node or {})), other, given, MODES, **options)


def in_a_node(e: Engine, node: Any, given: Any) -> Any:
    """What a tool node gives that another node calls by hand."""
    seen = []

    def calls_it(_: Any, config: RunnableConfig) -> None:
        seen.append(node.invoke(given, config))

    e.StateGraph(e.MessagesState).add_node("n", calls_it).add_edge(e.START, "n").compile().invoke({"messages": []})
    return seen[0]


def own_tools(other: Engine) -> None:
    """Skip where LangGraph's own tool node runs on drumline: the test is about drumline's."""
    if other.adapts:
        pytest.skip("about drumline's own tool node")


class Trouble(Exception):
    pass


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


CALLS = (("add", {"a": 1, "b": 2}), ("greet", {"name": "bob"}), ("add", {"a": 3, "b": 4}))
