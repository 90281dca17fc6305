"""Answers to LangGraph's graphs that ask by other ways than a node: `@task`s, functional graphs, middleware."""

import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver as TheirSaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from tests.differential.harness import newest_oracle
from tests.differential.models import ToolCaller
from tests.threads.traces import trace
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.langgraph import adapt


class Log(TypedDict):
    log: Annotated[list[Any], operator.add]


def calls(made: list[Any]) -> tuple[Any, list[Any]]:
    """A node whose `@task`s end, ask twice, and end; then it asks itself."""

    @task
    def work(number: Any) -> Any:
        made.append(("work", number))
        return [number]

    @task
    def asks(number: Any) -> Any:
        made.append(("asks", number))
        return [interrupt({"asks": number}), interrupt("more")]

    def node(_: Log) -> Any:
        first = work(3).result()
        told = asks(first).result()
        return {"log": [first, told, work(told).result(), interrupt("last")]}

    builder: Any = StateGraph(Log)
    graph = builder.add_node("node", node).add_edge(START, "node").compile(TheirSaver(), name="calls")
    return graph, [{"log": []}, *(Command(resume=answer) for answer in (5, 7, 8)), {"log": ["again"]}]


def functional(made: list[Any]) -> tuple[Any, list[Any]]:
    """A functional graph with a value of its last run."""

    @task
    def double(number: int) -> int:
        made.append(number)
        return number * 2

    @entrypoint(checkpointer=TheirSaver())
    def flow(number: int, *, previous: Any = None) -> Any:
        first = double(number).result()
        told = interrupt({"doubled": first})
        return entrypoint.final(value=[previous, first, double(told).result()], save=told)

    return flow, [1, Command(resume=5), 2, Command(resume=7)]


class Caller(ToolCaller):
    """Calls a tool for two cities, then tells what the tools said."""

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        said = [message.text for message in messages if isinstance(message, ToolMessage)]
        asked = [{"id": city, "name": "weather", "args": {"city": city}} for city in ("Lisbon", "Oslo")]
        id_ = f"m{len(messages)}"
        return AIMessage("; ".join(said), id=id_) if said else AIMessage("", tool_calls=asked, id=id_)


def reviewed(made: list[Any]) -> tuple[Any, list[Any]]:
    """An agent whose tool calls a person allows, and whose tool asks too."""

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        made.append(city)
        return f"rain in {city}" if city == "Lisbon" else f"rain in {interrupt('which city?')}"

    review: Any = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    agent = create_agent(Caller(disable_streaming=True), [weather], middleware=[review], checkpointer=TheirSaver())
    decisions = [{"type": "approve"}, {"type": "approve"}]
    inputs = [
        {"messages": [{"role": "user", "content": "hi", "id": "u"}]},
        Command(resume={"decisions": decisions}),
        Command(resume="Bergen"),
    ]
    return agent, inputs


@pytest.mark.parametrize("ours", [False, True], ids=["on LangGraph's saver", "on drumline's"])
@pytest.mark.parametrize("build", [calls, functional, reviewed], ids=lambda build: build.__name__)
@newest_oracle
def test_what_is_streamed_and_called_is_equal(build: Callable[[list[Any]], tuple[Any, list[Any]]], ours: bool) -> None:
    expected: list[Any] = []
    found: list[Any] = []
    reference = trace(*build(expected), subgraphs=True)
    graph, inputs = build(found)
    if ours:
        graph.checkpointer = InMemorySaver()
    lines = trace(adapt(graph), inputs, subgraphs=True)
    assert sorted(lines) == sorted(reference)  # tools of one turn race
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert any("question" in line for line in reference)
