"""LangGraph's `RemoteGraph` with a drumline child: a graph of LangGraph calls one behind a gateway."""

from __future__ import annotations

import operator
import uuid
from typing import Annotated, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from typing_extensions import TypedDict

INPUT: Any = {"said": ["x"]}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


def remote(url: str, name: str) -> RemoteGraph:
    return RemoteGraph(name, url=url)


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


@pytest.fixture
def thread(url: str) -> str:
    from langgraph_sdk import get_sync_client

    return str(get_sync_client(url=url).threads.create()["thread_id"])


def test_it_is_called_and_streamed(url: str) -> None:
    graph = remote(url, "nested")
    assert graph.invoke(INPUT)["said"] == ["x", "x", "heard 1", "heard 3"]
    assert list(graph.stream(INPUT, stream_mode="values"))[-1]["said"] == ["x", "x", "heard 1", "heard 3"]
    found: Any = list(graph.stream(INPUT, stream_mode=["updates", "values", "custom"]))
    assert [part.event for part in found] == ["values", "updates", "values", "updates", "values"]
    deep = list(graph.stream(INPUT, stream_mode="updates", subgraphs=True))
    assert [bool(ns) for ns, _ in deep] == [True, False, False]


def test_its_graph_and_its_threads_are_looked_at(url: str, thread: str) -> None:
    graph = remote(url, "ask")
    assert set(graph.get_graph().nodes) == {"__start__", "speak", "ask", "__end__"}
    assert graph.invoke(INPUT, on(thread))["__interrupt__"]
    state = graph.get_state(on(thread))
    assert state.next == ("ask",) and state.values == {"said": ["x", "heard 1"]}
    assert state.tasks[0].interrupts[0].value == {"question": "?"}
    graph.update_state(on(thread), {"said": ["edited"]}, as_node="speak")
    assert graph.get_state(on(thread)).values["said"][-1] == "edited"
    history = list(graph.get_state_history(on(thread)))
    assert history[0].parent_config == history[1].config
    assert graph.get_state(history[-1].config).values == history[-1].values


def test_a_child_of_a_graph_of_langgraph(url: str) -> None:
    builder = StateGraph(State).add_node("child", remote(url, "speak")).add_edge(START, "child")
    whole = builder.compile(checkpointer=InMemorySaver())
    assert whole.invoke(INPUT, on(str(uuid.uuid4())))["said"] == ["x", "x", "heard 1"]


def test_a_question_of_a_child_is_one_of_its_caller(url: str) -> None:
    builder = StateGraph(State).add_node("child", remote(url, "ask")).add_edge(START, "child")
    whole = builder.compile(checkpointer=InMemorySaver())
    [question] = whole.invoke(INPUT, on(str(uuid.uuid4())))["__interrupt__"]
    assert question.value == {"question": "?"}


def test_what_a_child_raises_is_raised(url: str) -> None:
    with pytest.raises(RemoteException, match="this graph always fails"):
        remote(url, "fail").invoke(INPUT)


def test_tokens_of_a_child_come_as_messages(url: str) -> None:
    found: Any = list(
        remote(url, "chat").stream({"messages": [{"role": "user", "content": "hi"}]}, stream_mode="messages")
    )
    assert "".join(chunk["content"] for chunk, _ in found) == "you said hi"
    assert {metadata["langgraph_node"] for _, metadata in found} == {"model"}
