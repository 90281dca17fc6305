"""A step with routers merges once what they are shown and what is committed; neither sees what the other does."""

# ruff: noqa: ARG001, ARG005 (nodes and routers must take the state)

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from typing_extensions import TypedDict

from drumline.graph import END, START, StateGraph
from drumline.graph.message import add_messages


class Counted:
    """`add_messages`, and how often it was called."""

    appends_by_identity = True
    is_pure = True

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, left: Any, right: Any) -> Any:
        self.calls += 1
        return add_messages(left, right)


def talk(reducer: Any, say: Any, *routers: Any, **beside: Any) -> Any:
    """START to `say`, which goes on at END whatever its routers see."""
    State: Any = TypedDict("State", {"messages": Annotated[list[Any], reducer]})
    builder = StateGraph(State).add_node("say", say).add_edge(START, "say")
    for number, router in enumerate(routers):
        router.__name__ = f"router_{number}"
        builder.add_conditional_edges("say", router, [END])
    for name, node in beside.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile()


@pytest.mark.parametrize("routers", [1, 3])
def test_a_reducer_is_called_once_for_routers_and_commit(routers: int) -> None:
    reducer, seen = Counted(), []

    def look(state: Any) -> str:
        seen.append([message.content for message in state["messages"]])
        return str(END)

    looks = [lambda state: look(state) for _ in range(routers)]
    graph = talk(reducer, lambda state: {"messages": [AIMessage("b")]}, *looks)
    state = graph.invoke({"messages": [HumanMessage("a")]})
    assert seen == [["a", "b"]] * routers
    assert [message.content for message in state["messages"]] == ["a", "b"]
    assert reducer.calls == 1 + 1  # the input, and the step


def test_what_a_router_does_to_its_list_is_seen_by_nobody_else() -> None:
    seen = []

    def spoil(state: Any) -> str:
        seen.append(len(state["messages"]))
        state["messages"].append(HumanMessage("c"))
        return str(END)

    graph = talk(add_messages, lambda state: {"messages": AIMessage("b")}, spoil, lambda state: spoil(state))
    state = graph.invoke({"messages": [HumanMessage("a")]})
    assert seen == [2, 2]
    assert [message.content for message in state["messages"]] == ["a", "b"]


@pytest.mark.parametrize("other", ["before", "to_the_end"])
def test_what_others_write_in_the_same_step_is_merged_too(other: str) -> None:
    graph = talk(
        add_messages,
        lambda state: {"messages": [AIMessage("b")]},
        lambda state: END,
        **{other: lambda state: {"messages": [AIMessage("c")]}},
    )
    state = graph.invoke({"messages": [HumanMessage("a")]})
    assert sorted(message.content for message in state["messages"]) == ["a", "b", "c"]


@pytest.mark.parametrize("written", [{"role": "ai", "content": "b"}, ("ai", "b"), AIMessage("b", id="a")])
def test_messages_that_are_made_or_replaced_are_merged_for_each(written: Any) -> None:
    reducer, seen = Counted(), []

    def look(state: Any) -> str:
        seen.extend(state["messages"])
        return str(END)

    state = talk(reducer, lambda state: {"messages": [written]}, look).invoke({"messages": [HumanMessage("a", id="a")]})
    assert [message.content for message in seen] == [message.content for message in state["messages"]]
    assert reducer.calls == 1 + 2


def test_a_reducer_that_may_change_its_values_is_called_for_each() -> None:
    calls = []

    def add(left: list[int], right: list[int]) -> list[int]:
        calls.append(right)
        left.extend(right)
        return left

    add.appends_by_identity = True  # type: ignore[attr-defined]
    state = talk(add, lambda state: {"messages": [2]}, lambda state: END).invoke({"messages": [1]})
    assert state["messages"] == [1, 2]
    assert len(calls) == 1 + 2


def test_what_a_node_adds_to_what_it_has_returned_is_committed_as_langgraph_does() -> None:
    said = [AIMessage("b", id="b")]

    def more(state: Any) -> str:
        said.append(AIMessage("c", id="c"))
        return str(END)

    state = talk(add_messages, lambda state: {"messages": said}, more).invoke({"messages": [HumanMessage("a")]})
    assert [message.content for message in state["messages"]] == ["a", "b", "c"]
