"""What LangGraph has given up still works, and warns by the class of the version that gave it up."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH

CONFIG = {"configurable": {"thread_id": "1"}}
IN: dict[str, Any] = {"log": []}


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def graph_of(e: Any) -> Any:
    builder = e.StateGraph(State).add_node("a", lambda _: {"log": ["a"]}).add_node("b", lambda _: {"log": ["b"]})
    builder.add_edge(e.START, "a").add_edge("a", "b")
    return builder.compile(checkpointer=e.InMemorySaver())


def checkpoints(e: Any, value: bool) -> Any:
    graph = graph_of(e)
    graph.invoke(IN, CONFIG, checkpoint_during=value)
    return [snapshot.values for snapshot in graph.get_state_history(CONFIG)]


def output_of(e: Any) -> Any:
    return e.module("types").GraphOutput(value={"log": ["a"]})


USES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "checkpoint_during=True": ("LangGraphDeprecatedSinceV10", lambda e: checkpoints(e, True)),
    "checkpoint_during=False": ("LangGraphDeprecatedSinceV10", lambda e: checkpoints(e, False)),
    "result[key]": ("LangGraphDeprecatedSinceV11", lambda e: output_of(e)["log"]),
    "result[interrupts]": ("LangGraphDeprecatedSinceV11", lambda e: output_of(e)["__interrupt__"]),
    "key in result": ("LangGraphDeprecatedSinceV11", lambda e: ("log" in output_of(e), "x" in output_of(e))),
    "NodeInterrupt": (
        "LangGraphDeprecatedSinceV10",
        lambda e: e.module("errors").NodeInterrupt("why?").args[0][0].value,
    ),
}


@pytest.mark.parametrize("use", USES)
def test_what_was_given_up_works_and_warns(use: str) -> None:
    category, call = USES[use]
    found = []
    for engine in (LANGGRAPH, DRUMLINE):
        with pytest.warns(getattr(engine.module("warnings"), category)):
            found.append(call(engine))
    assert found[1] == found[0]


def test_both_names_at_once_are_refused() -> None:
    for engine in (LANGGRAPH, DRUMLINE):
        category = engine.module("warnings").LangGraphDeprecatedSinceV10
        with pytest.warns(category), pytest.raises(ValueError, match="durability"):
            graph_of(engine).invoke(IN, CONFIG, checkpoint_during=True, durability="exit")
