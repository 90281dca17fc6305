"""A ToolNode that the code of another node calls with calls of tools alone: its tools get that node's state."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from typing_extensions import TypedDict

CALLS = [{"name": "look", "args": {}, "id": "1", "type": "tool_call"}]
engines = pytest.mark.parametrize("e", [LANGGRAPH, DRUMLINE, DRUMLINE_STRICT], ids=repr)


class State(TypedDict, total=False):
    word: str
    more: int


def looking(e: Engine, seen: list[Any]) -> Any:
    """A ToolNode with one tool, which notes the state that it is given."""

    def look(runtime: Any) -> str:
        """Look."""
        seen.append(runtime.state)
        return "seen"

    look.__annotations__["runtime"] = e.ToolRuntime
    return e.ToolNode([look])


def graph_of(e: Engine, seen: list[Any]) -> Any:
    def calls(_state: State) -> Any:
        looking(e, seen).invoke(CALLS)
        return {}

    return e.StateGraph(State).add_node("calls", calls).add_edge(e.START, "calls").compile()


@engines
def test_the_state_of_a_node(e: Engine) -> None:
    seen: list[Any] = []
    graph_of(e, seen).invoke({"word": "a", "more": 1})
    assert seen == [{"word": "a", "more": 1}]


@engines
def test_the_state_of_a_graph_within_that_was_sent_to(e: Engine) -> None:
    seen: list[Any] = []
    around = e.StateGraph(State).add_node("within", graph_of(e, seen))
    around.add_conditional_edges(e.START, lambda _: [e.Send("within", {"word": "sent"})], ["within"])
    around.compile().invoke({"word": "a", "more": 1})
    assert seen == [{"word": "sent"}]


@engines
def test_a_functional_graph_has_an_empty_one(e: Engine) -> None:
    seen: list[Any] = []

    @e.task
    def call(word: str) -> str:
        looking(e, seen).invoke(CALLS)
        return word

    @e.entrypoint()
    def entry(word: str) -> str:
        looking(e, seen).invoke(CALLS)
        return str(call(word).result())

    assert entry.invoke("a") == "a"
    assert seen == [{}, {}]


def test_messages_say_the_state_themselves() -> None:
    seen: list[Any] = []
    state = {"messages": [AIMessage("", tool_calls=CALLS)]}
    looking(DRUMLINE, seen).invoke(state)
    assert seen == [state]
