"""Graphs whose nodes bring their process down, and graphs beside them: `tests.cluster.killers:GRAPHS`."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from typing_extensions import TypedDict

from drumline.graph import START, StateGraph


class Work(TypedDict, total=False):
    mark: str
    company: int
    work_s: float
    done: bool


def _begun(state: Work) -> int:
    """Leave a line; how many there are by now."""
    with Path(state["mark"]).open("a") as marks:
        marks.write(f"{os.getpid()}\n")
    return len(Path(state["mark"]).read_text().split())


def kill(state: Work) -> None:
    """As a crash in native code does, or the kernel when memory is short."""
    _begun(state)
    os._exit(9)


async def akill(state: Work) -> None:
    kill(state)


def work(state: Work) -> Work:
    _begun(state)
    time.sleep(state["work_s"])
    return {"done": True}


async def awork(state: Work) -> Work:
    _begun(state)
    await asyncio.sleep(state["work_s"])
    return {"done": True}


GRAPHS = {
    node.__name__: StateGraph(Work).add_node("node", node).add_edge(START, "node").compile(name=node.__name__)
    for node in (kill, akill, work, awork)
}
