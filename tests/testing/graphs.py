"""Graphs of users who test with the kit: one for each kind of node."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline import messages
from drumline.graph import END, START, StateGraph
from drumline.types import Command, Send, StreamWriter, interrupt


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    item: str


INPUT: dict[str, Any] = {"log": ["begin"]}


def plain() -> Any:
    """Two plain functions; the first one writes to the stream."""

    def think(state: State, writer: StreamWriter) -> State:
        for n in range(4):
            writer({"n": n})
        return {"log": [f"thought of {state['log'][0]}"]}

    def act(state: State) -> State:
        return {"log": [f"did {len(state['log'])}"]}

    builder = StateGraph(State).add_node("think", think).add_node("act", act)
    return builder.add_edge(START, "think").add_edge("think", "act").add_edge("act", END).compile()


def with_async() -> Any:
    """An async node that awaits, and writes in between."""

    async def ask(_state: State, writer: StreamWriter) -> State:
        writer("asks")
        await asyncio.sleep(0)
        writer("waits no more")
        return {"log": ["asked"]}

    def act(_state: State) -> State:
        return {"log": ["acted"]}

    builder = StateGraph(State).add_node("ask", ask).add_node("act", act)
    return builder.add_edge(START, "ask").add_edge("ask", "act").compile()


def with_sends() -> Any:
    """Sends, and a node that goes elsewhere by a command."""

    def work(state: State, writer: StreamWriter) -> State:
        writer({"lane": "work", "item": state["item"]})
        return {"log": [state["item"]]}

    def spread(_state: State) -> list[Send]:
        return [Send("work", {"item": f"item {n}"}) for n in range(5)]

    def end(_state: State) -> Command[Any]:
        return Command(update={"log": ["end"]}, goto="last")

    def last(_state: State) -> State:
        return {"log": ["last"]}

    builder = StateGraph(State).add_node("work", work).add_node("end", end).add_node("last", last)
    return builder.add_conditional_edges(START, spread, ["work"]).add_edge("work", "end").compile()


def with_subgraph() -> Any:
    builder = StateGraph(State).add_node("inner", plain()).add_node("after", lambda _state: {"log": ["after"]})
    return builder.add_edge(START, "inner").add_edge("inner", "after").compile()


def with_interrupt() -> Any:
    """A node that asks its caller: the run ends paused."""

    def ask(_state: State) -> State:
        return {"log": [interrupt("may I?")]}

    builder = StateGraph(State).add_node("before", lambda _state: {"log": ["before"]}).add_node("ask", ask)
    return builder.add_edge(START, "before").add_edge("before", "ask").compile()


def with_tokens() -> Any:
    """A node that streams a message token by token."""

    def answer(_state: State) -> State:
        stream = messages.start()
        for token in ("It ", "rains ", "all ", "day."):
            stream.write(token)
        return {"log": [stream.content]}

    return StateGraph(State).add_node("answer", answer).add_edge(START, "answer").compile()


def with_failure() -> Any:
    def fail(_state: State, writer: StreamWriter) -> State:
        writer("about to fail")
        raise ValueError("no such tool")

    return StateGraph(State).add_node("fail", fail).add_edge(START, "fail").compile()


def shop(charge: Callable[[State], State]) -> Any:
    """An order: reserve, charge, ship."""
    builder = StateGraph(State).add_node("reserve", lambda _state: {"log": ["reserved"]})
    builder.add_node("charge", charge).add_node("ship", lambda _state: {"log": ["shipped"]})
    return builder.add_edge(START, "reserve").add_edge("reserve", "charge").add_edge("charge", "ship").compile()


#: graph, and a node of it that runs late enough for faults
KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "plain": (plain, "think"),
    "async": (with_async, "ask"),
    "sends": (with_sends, "work"),
    "subgraph": (with_subgraph, "think"),
    "interrupt": (with_interrupt, "ask"),
    "tokens": (with_tokens, "answer"),
    "failure": (with_failure, "fail"),
}
