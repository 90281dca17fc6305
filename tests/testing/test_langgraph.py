"""LangGraph's own graphs, models of LangChain among them, under faults and on threads."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("langgraph")

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import START, MessagesState, StateGraph

from drumline.testing import (
    CrashWorker,
    PauseWorker,
    SimCluster,
    assert_same_stream,
    assert_survives,
    local_cluster,
    record,
)

QUESTION = {"messages": [("user", "What is the weather in Lisbon?")]}


class FakeModel(FakeMessagesListChatModel):
    """Answers from a list, for whoever asks: it counts, so each run needs a new one."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        del tools, kwargs
        return self


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It rains in {city}."


def agent() -> Any:
    call = {"name": "get_weather", "args": {"city": "Lisbon"}, "id": "call-1"}
    answers: list[BaseMessage] = [AIMessage("", tool_calls=[call], id="m1"), AIMessage("It rains all day.", id="m2")]
    return create_agent(FakeModel(responses=answers), [get_weather])


def parrot() -> Any:
    """A model that says the same however often it is asked."""

    def answer(_state: MessagesState) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage("It rains all day.", id="m1")]))
        return {"messages": [model.invoke("How is the weather?")]}

    builder: Any = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    return builder.add_edge(START, "answer").compile()


def test_an_agent_survives_lost_tools() -> None:
    # The model is asked once for each answer: its node must not run twice, and does not when a tool's worker dies.
    for fault in (CrashWorker("tools"), PauseWorker("tools")):
        assert_survives(agent, QUESTION, seeds=5, faults=fault, check=_ran_tools_twice)


def _ran_tools_twice(cluster: SimCluster) -> None:
    assert cluster.executions == {"model": 2, "tools": 2}


def test_tokens_survive() -> None:
    assert_survives(parrot(), QUESTION, seeds=20)
    assert_survives(parrot(), QUESTION, seeds=5, faults=CrashWorker("answer", after_events=3))


def test_on_threads() -> None:
    with local_cluster({"agent": agent()}) as cluster:
        assert_same_stream(record(_adapted(agent()), QUESTION), record(cluster.graph("agent"), QUESTION))


def _adapted(graph: Any) -> Any:
    from drumline.langgraph import adapt

    return adapt(graph)
