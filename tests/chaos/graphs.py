"""Eight graphs whose streams are known beforehand: `--app tests.chaos.graphs:GRAPHS`.

Nodes pause for `DRUMLINE_CHAOS_PACE_S` between what they emit, so that faults hit them in the middle of their work. The
pause is no part of the state: the embedded run, which tells what to expect, makes none.
"""

from __future__ import annotations

import asyncio
import operator
import os
import time
from collections.abc import Callable
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline import messages
from drumline.config import get_stream_writer
from drumline.graph import END, START, StateGraph
from drumline.types import Command, Send, StreamWriter, interrupt

PACE_S = float(os.environ.get("DRUMLINE_CHAOS_PACE_S", "0"))

#: variants of each graph's input
VARIANTS = 4


def pause(times: float = 1.0) -> None:
    """The work of a node."""
    if PACE_S:
        time.sleep(PACE_S * times)


# -- tokens: custom events of one long node ---------------------------------------------------------


class Tokens(TypedDict, total=False):
    count: int
    steps: Annotated[list[int], operator.add]
    said: str


def speak(state: Tokens) -> dict[str, Any]:
    writer = get_stream_writer()
    for number in range(state["count"]):
        writer({"token": number})
        pause(0.2)
    return {"said": " ".join(map(str, range(state["count"]))), "steps": [1]}


def tokens() -> Any:
    builder = StateGraph(Tokens)
    builder.add_node("before", lambda _state: {"steps": [0]})
    builder.add_node("speak", speak)
    builder.add_node("after", lambda _state: {"steps": [2]})
    builder.add_edge(START, "before").add_edge("before", "speak").add_edge("speak", "after")
    return builder.compile(name="tokens")


# -- fan: Send and a reducer ------------------------------------------------------------------------


class Fan(TypedDict, total=False):
    width: int
    done: Annotated[list[int], operator.add]


def work(state: dict[str, Any]) -> dict[str, Any]:
    writer = get_stream_writer()
    writer({"lane": "work", "index": state["index"], "half": 1})
    pause()
    writer({"lane": "work", "index": state["index"], "half": 2})
    return {"done": [state["index"]]}


def fan() -> Any:
    builder = StateGraph(Fan)
    builder.add_node("begin", lambda _state: None)
    builder.add_node("work", work)  # type: ignore[type-var]
    builder.add_node("end", lambda state: {"done": [len(state["done"])]})
    builder.add_edge(START, "begin").add_edge("work", "end")
    builder.add_conditional_edges(
        "begin", lambda state: [Send("work", {"index": index}) for index in range(state["width"])], ["work"]
    )
    return builder.compile(name="fan")


# -- parent: a subgraph that ends in Command.PARENT -------------------------------------------------


class Family(TypedDict, total=False):
    asked: int
    told: Annotated[list[str], operator.add]


def deep(state: Family) -> Command[Any]:
    pause()
    update = {"told": [f"deep said {state['asked']}"]}
    return Command(graph=Command.PARENT, goto="finish", update=update)


def parent() -> Any:
    child = StateGraph(Family)
    child.add_node("shallow", lambda _state: pause() or {"told": ["shallow"]})
    child.add_node("deep", deep)
    child.add_edge(START, "shallow").add_edge("shallow", "deep")
    builder = StateGraph(Family)
    builder.add_node("below", child.compile(name="below"))
    builder.add_node("finish", lambda state: {"told": [f"finished after {len(state['told'])}"]})
    builder.add_edge(START, "below").add_edge("finish", END)
    return builder.compile(name="parent")


# -- loop: a conditional loop around an async node --------------------------------------------------


class Loop(TypedDict, total=False):
    rounds: int
    turn: int
    trail: Annotated[list[int], operator.add]


async def turn(state: Loop, writer: StreamWriter) -> dict[str, Any]:
    number = state.get("turn", 0)
    writer({"turn": number})
    await asyncio.sleep(PACE_S)
    writer({"turned": number})
    return {"turn": number + 1, "trail": [number]}


def loop() -> Any:
    builder = StateGraph(Loop).add_node("turn", turn).add_edge(START, "turn")
    builder.add_conditional_edges("turn", lambda state: END if state["turn"] >= state["rounds"] else "turn")
    return builder.compile(name="loop")


# -- talk: tokens of messages -----------------------------------------------------------------------


class Talk(TypedDict, total=False):
    words: int
    messages: Annotated[list[dict[str, Any]], operator.add]


def answer(state: Talk) -> dict[str, Any]:
    out = messages.start()
    for number in range(state["words"]):
        out.write(f"word{number} ")
        pause(0.2)
    return {"messages": [{"role": "assistant", "content": out.message()["content"]}]}


def talk() -> Any:
    builder = StateGraph(Talk).add_node("answer", answer).add_node("sum_up", answer)
    builder.add_edge(START, "answer").add_edge("answer", "sum_up")
    return builder.compile(name="talk")


# -- large: values that become blobs ----------------------------------------------------------------


class Large(TypedDict, total=False):
    size: int
    text: str
    parts: Annotated[list[str], operator.add]


def grow(state: Large) -> dict[str, Any]:
    pause()
    return {"text": "x" * state["size"], "parts": ["y" * (state["size"] // 2)]}


def shorten(state: Large) -> dict[str, Any]:
    pause()
    return {"text": state["text"][:10], "parts": [str(len(state["text"]))]}


def large() -> Any:
    builder = StateGraph(Large).add_node("grow", grow).add_node("shorten", shorten)
    builder.add_edge(START, "grow").add_edge("grow", "shorten")
    return builder.compile(name="large")


# -- calls: a graph that a node calls itself --------------------------------------------------------

_INNER = loop()


class Calls(TypedDict, total=False):
    rounds: int
    trails: Annotated[list[Any], operator.add]


async def call(state: Calls) -> dict[str, Any]:
    found = await _INNER.ainvoke({"rounds": state["rounds"]})
    return {"trails": [found["trail"]]}


def calls() -> Any:
    builder = StateGraph(Calls).add_node("call", call).add_node("after", lambda state: {"trails": [len(state)]})
    builder.add_edge(START, "call").add_edge("call", "after")
    return builder.compile(name="calls")


# -- asks: a run that ends with a question ----------------------------------------------------------


class Asks(TypedDict, total=False):
    about: str
    answer: Any


def ask(state: Asks) -> dict[str, Any]:
    get_stream_writer()("about to ask")
    pause()
    return {"answer": interrupt({"what about": state["about"]})}


def asks() -> Any:
    builder = StateGraph(Asks).add_node("prepare", lambda state: {"about": state["about"] + "!"}).add_node("ask", ask)
    builder.add_edge(START, "prepare").add_edge("prepare", "ask")
    return builder.compile(name="asks")


_BUILDERS: list[Callable[[], Any]] = [tokens, fan, parent, loop, talk, large, calls, asks]

GRAPHS = {graph.name: graph for graph in (build() for build in _BUILDERS)}

#: graph -> its input of variant 0, 1, ...
INPUTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "tokens": lambda v: {"count": 20 + 10 * v},
    "fan": lambda v: {"width": 4 + 4 * v},
    "parent": lambda v: {"asked": v},
    "loop": lambda v: {"rounds": 3 + v},
    "talk": lambda v: {"words": 10 + 5 * v},
    "large": lambda v: {"size": 70_000 + 30_000 * v},
    "calls": lambda v: {"rounds": 2 + v},
    "asks": lambda v: {"about": "why" * (v + 1)},
}

#: graphs in which nothing races: what was read before a cancel must be a beginning of the whole stream
LINEAR = ("tokens", "loop", "talk")
#: graphs with a node that calls a graph itself
CALLING = ("calls",)
