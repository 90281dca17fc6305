"""Graphs whose code holds the interpreter, ends what serves it, or raises what nobody expects."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph
from drumline.runtime import Runtime


class State(TypedDict, total=False):
    mark: str
    seconds: int
    out: Any


def leave_mark(state: State) -> None:
    with Path(state["mark"]).open("a") as file:
        file.write(f"{os.getpid()}\n")


def hold(seconds: int) -> None:
    """Hold the interpreter: `PyDLL` does not give it away, as a long regular expression does not."""
    ctypes.PyDLL(None).sleep(seconds)


def busy(state: State) -> State:
    leave_mark(state)
    get_stream_writer()("begun")
    hold(state["seconds"])
    return {"out": "busy for long"}


def quick(_state: State) -> State:
    return {"out": "quick"}


def merge_slowly(left: int, right: int) -> int:
    """A reducer that holds the interpreter of its coordinator."""
    if right:
        hold(right)
    return (left or 0) + right


class Slow(TypedDict, total=False):
    total: Annotated[int, merge_slowly]
    seconds: int


def add(state: Slow) -> Slow:
    return {"total": state["seconds"]}


class Settings(BaseModel):
    size: int


def sized(_state: State, runtime: Runtime[Settings]) -> State:
    return {"out": [type(runtime.context).__name__, runtime.context.size]}


async def hostile(_state: State) -> State:
    """Do to the event loop what a node must not be able to do."""
    loop = asyncio.get_running_loop()

    async def leave() -> None:
        sys.exit(3)

    def interrupt() -> None:
        raise KeyboardInterrupt

    loop.call_soon(interrupt)
    loop.call_soon(loop.stop)
    task = asyncio.create_task(leave())
    await asyncio.sleep(0.05)
    task.exception()
    return {"out": "went on"}


async def close_the_loop(state: State) -> State:
    """Take the loop's selector away: no loop survives that."""
    leave_mark(state)
    asyncio.get_running_loop()._selector.close()  # type: ignore[attr-defined]
    return {"out": "never heard"}


def graph(schema: Any, node: Any, **options: Any) -> Any:
    return StateGraph(schema, **options).add_node("node", node).add_edge(START, "node").compile()


GRAPHS = {
    "busy": graph(State, busy),
    "quick": graph(State, quick),
    "slow_reducer": graph(Slow, add),
    "sized": graph(State, sized, context_schema=Settings),
    "hostile": graph(State, hostile),
    "close_the_loop": graph(State, close_the_loop),
}
