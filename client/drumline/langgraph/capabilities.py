"""How the nodes of a LangGraph graph can be run: by sync code, by async code of their own, or both."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.base import RunnableBindingBase, RunnableSequence
from langchain_core.runnables.config import run_in_executor
from langgraph._internal._runnable import RunnableCallable, RunnableSeq
from langgraph.graph._branch import BranchSpec
from langgraph.prebuilt import ToolNode
from langgraph.pregel._write import ChannelWrite


def capabilities_of(node: Any) -> tuple[bool, bool]:
    """`(has_sync, has_async)` of a compiled node with its routers.

    Not sync: some part of it is async only, or it has a timeout, which only async nodes can be given. Not async: all of
    it is sync code, which would only be sent to a thread.
    """
    parts = [part for step in (node.bound, *node.flat_writers) for part in _parts(step)]
    has_sync = node.timeout is None and all(_is_sync(part) for part in parts)
    return has_sync, not has_sync or any(_is_async(part) for part in parts)


def _parts(runnable: Any) -> Iterator[Any]:
    """The runnables that a runnable is composed of; a router's function among those of its writer."""
    while isinstance(runnable, RunnableBindingBase):
        runnable = runnable.bound
    if isinstance(runnable, (RunnableSequence, RunnableSeq)):
        for step in runnable.steps:
            yield from _parts(step)
        return
    branch = getattr(getattr(runnable, "func", None), "__self__", None)
    if isinstance(branch, BranchSpec):
        yield from _parts(branch.path)
    elif not isinstance(runnable, ChannelWrite):
        yield runnable


def _is_sync(runnable: Any) -> bool:
    if isinstance(runnable, ToolNode):
        return all(_has_sync_tool(tool) for tool in runnable.tools_by_name.values())
    if isinstance(runnable, (RunnableCallable, RunnableLambda)):
        return getattr(runnable, "func", None) is not None
    return True


def _has_sync_tool(tool: Any) -> bool:
    """A tool made of a coroutine function alone can only be awaited."""
    return getattr(tool, "coroutine", None) is None or getattr(tool, "func", None) is not None


def _is_async(runnable: Any) -> bool:
    if isinstance(runnable, (RunnableCallable, RunnableLambda)):
        afunc = getattr(runnable, "afunc", None)
        return afunc is not None and not (isinstance(afunc, partial) and afunc.func is run_in_executor)
    return True
