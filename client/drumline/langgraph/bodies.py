"""What of a LangGraph node's own run drumline does otherwise: limits are limits, and no command is lost."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any

from langchain_core.runnables import Runnable
from langgraph._internal._runnable import RunnableSeq
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from drumline.langgraph.values import our_command, their_value
from drumline_graph.writes import joined

#: holds the places of the calls that one run of a tool node makes at once
_places: ContextVar[asyncio.Semaphore | None] = ContextVar("drumline_tool_places", default=None)


def process_of(node: Any) -> Any:
    """What runs for a node: its body, whose commands for the graph above are joined, and its writers.

    The body stays one step, for traces number the steps. The body of a `ToolNode` is one that keeps to
    `max_concurrency` where it runs on an event loop.
    """
    process = node.node
    if not isinstance(process, RunnableSeq) or process.steps[0] is not node.bound:
        return process
    body = _bounded(node.bound) if isinstance(node.bound, ToolNode) else node.bound
    mended = copy.copy(process)
    mended.steps = [_JoinsCommands(body), *process.steps[1:]]
    return mended


def limit_tools(config: Mapping[str, Any]) -> None:
    """Give the tool node that is about to run, in this context, the places that the config allows."""
    limit = config.get("max_concurrency")
    _places.set(asyncio.Semaphore(limit) if limit else None)


def _bounded(tools: ToolNode) -> ToolNode:
    """A copy whose async calls wait for a place. LangGraph bounds only those that run in threads."""
    call: Any = getattr(tools, "_arun_one", None)
    run: Any = getattr(type(tools), "_afunc", None)
    if call is None or run is None or getattr(tools.afunc, "__self__", None) is not tools:
        return tools

    async def call_in_turn(*args: Any, **kwargs: Any) -> Any:
        places = _places.get()
        if places is None:
            return await call(*args, **kwargs)
        async with places:
            return await call(*args, **kwargs)

    bounded: Any = copy.copy(tools)
    bounded._arun_one = call_in_turn
    bounded.afunc = run.__get__(bounded)
    return bounded  # type: ignore[no-any-return]


class _JoinsCommands(Runnable[Any, Any]):
    """Makes one command of several for the graph above. LangGraph follows the first and drops the others."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """The body's result, with its commands for the graph above joined."""
        return _with_one_command(self._body.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """The same."""
        return _with_one_command(await self._body.ainvoke(input, config, **kwargs))

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """The same of each part, where a body gives its result in parts."""
        async for part in self._body.astream(input, config, **kwargs):
            yield _with_one_command(part)


def _with_one_command(result: Any) -> Any:
    """A node's result, with its commands for the graph above joined where the first of them stood."""
    if not isinstance(result, (list, tuple)):
        return result
    leaving = [item for item in result if _leaves(item)]
    if len(leaving) < 2:
        return result
    one = their_value(joined([our_command(command) for command in leaving]))
    return [one if item is leaving[0] else item for item in result if not _leaves(item) or item is leaving[0]]


def _leaves(item: Any) -> bool:
    return isinstance(item, Command) and item.graph == Command.PARENT
