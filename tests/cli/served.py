"""Graphs that the tests of the command line serve: `drumline up tests/cli/served.py:GRAPHS`."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph


class Joke(TypedDict, total=False):
    topic: str
    joke: str


def tell(state: Joke) -> Joke:
    get_stream_writer()({"progress": "50%"})
    return {"joke": f"about {state['topic']}"}


class Strict(BaseModel):
    count: int


class Work(TypedDict, total=False):
    mark: str
    count: int
    out: Any


def begun(state: Work) -> None:
    """Leave the pid of this attempt where the test looks for it."""
    with Path(state["mark"]).open("a") as file:
        file.write(f"{os.getpid()}\n")


def speak(state: Work) -> Work:
    """Numbered tokens, a little apart: long enough to be killed in the middle."""
    begun(state)
    pause = threading.Event()
    for number in range(state["count"]):
        get_stream_writer()({"token": number})
        pause.wait(0.02)
    return {"out": "spoken"}


def stick(state: Work) -> Work:
    """Never ends, and listens to nobody."""
    begun(state)
    get_stream_writer()("stuck")
    threading.Event().wait()
    return {}


def fail(_state: Work) -> Work:
    raise ValueError("this node fails")


def odd(_state: Work) -> Work:
    return {"out": {"deep": [object()]}}


def one(name: str, state: Any, node: Any, pool: str = "default") -> Any:
    """A graph of one node."""
    builder = StateGraph(state).add_node(name, node, metadata={"pool": pool})
    return builder.add_edge(START, name).compile(name=name)


GRAPHS = {
    "joke": one("joke", Joke, tell),
    "speak": one("speak", Work, speak),
    "stick": one("stick", Work, stick),
    "fail": one("fail", Work, fail),
    "odd": one("odd", Work, odd),
    "strict": one("strict", Strict, lambda state: {"count": state.count + 1}),
    "gpu": one("gpu", Joke, tell, pool="gpu"),
}
