"""Graphs that the cluster tests serve: `--app tests.cluster.apps:GRAPHS`."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import END, START, StateGraph
from drumline.types import Command, Send


class Joke(TypedDict, total=False):
    topic: str
    joke: str


def refine_topic(state: Joke) -> dict[str, Any]:
    return {"topic": state["topic"] + " and cats"}


def generate_joke(state: Joke) -> dict[str, Any]:
    return {"joke": f"This is a joke about {state['topic']}"}


def joke() -> Any:
    return (
        StateGraph(Joke)
        .add_node("refine_topic", refine_topic)
        .add_node("generate_joke", generate_joke)
        .add_edge(START, "refine_topic")
        .add_edge("refine_topic", "generate_joke")
        .add_edge("generate_joke", END)
        .compile(name="joke")
    )


class Tokens(TypedDict, total=False):
    count: int
    pause_s: float
    mark: str
    pids: Annotated[list[int], operator.add]
    said: str


def mark(path: str) -> None:
    """Tell the test who runs this attempt: one line for each."""
    if not path:
        return
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")


def speak(state: Tokens) -> dict[str, Any]:
    """Emit numbered tokens, slowly: the work of a node is in its pauses."""
    mark(state["mark"])
    writer = get_stream_writer()
    for number in range(state["count"]):
        writer({"token": number})
        time.sleep(state["pause_s"])
    return {"said": " ".join(map(str, range(state["count"]))), "pids": [1]}


def before(_state: Tokens) -> dict[str, Any]:
    return {"pids": [0]}


def after(_state: Tokens) -> dict[str, Any]:
    return {"pids": [2]}


def tokens() -> Any:
    return StateGraph(Tokens).add_sequence([before, speak, after]).add_edge(START, "before").compile(name="tokens")


class Fan(TypedDict, total=False):
    width: int
    mark: str
    done: Annotated[list[int], operator.add]


def split(state: Fan) -> list[Send]:
    return [Send("work", {"index": index, "mark": state["mark"]}) for index in range(state["width"])]


def work(state: dict[str, Any]) -> dict[str, Any]:
    mark(state["mark"])
    if state["mark"]:
        time.sleep(0.02)
    return {"done": [state["index"]]}


def fan(name: str = "fan") -> Any:
    return (
        StateGraph(Fan)  # type: ignore[type-var]
        .add_node("begin", lambda _state: None)
        .add_node("work", work)
        .add_edge(START, "begin")
        .add_conditional_edges("begin", split, ["work"])
        .compile(name=name)
    )


class Broken(TypedDict, total=False):
    how: str
    out: Any


class Trouble(Exception):
    """An error that a client may be given the class of."""


def breaks(state: Broken) -> Any:
    how = state["how"]
    if how == "value":
        raise ValueError("no such thing", 7)
    if how == "own":
        raise Trouble("deep")
    if how == "unencodable":
        return {"out": {"deep": [object()]}}
    if how == "emit":
        get_stream_writer()({"handle": object()})
    if how == "exit":
        raise SystemExit(3)
    if how == "goto":
        return Command(goto="nowhere")
    return {"out": how}


def broken() -> Any:
    return StateGraph(Broken).add_node("breaks", breaks).add_edge(START, "breaks").compile(name="broken")


def gpu() -> Any:
    builder = StateGraph(Joke)
    builder.add_node("train", lambda _state: {"joke": "trained"}, metadata={"pool": "gpu"})
    return builder.add_edge(START, "train").compile(name="gpu")


class Waits(TypedDict, total=False):
    mark: str
    out: str


async def waits(state: Waits) -> dict[str, Any]:
    """An async node that ends only by being cancelled, and says so."""
    import asyncio

    mark(state["mark"])
    get_stream_writer()("waiting")
    try:
        await asyncio.Event().wait()
    finally:
        mark(state["mark"])
    return {}


def waiting() -> Any:
    return StateGraph(Waits).add_node("waits", waits).add_edge(START, "waits").compile(name="waiting")


_BUILDERS: list[Callable[[], Any]] = [joke, tokens, fan, lambda: fan("wide"), broken, gpu, waiting]

GRAPHS = {graph.name: graph for graph in (build() for build in _BUILDERS)}
