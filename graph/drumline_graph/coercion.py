"""What a user gives as a node, made into something that can be called or invoked: dicts of runnables, and functions
that yield.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from drumline_graph.errors import NotANodeError
from drumline_graph.loaded import loaded
from drumline_graph.warnings import LostUpdateWarning, tell


def as_action(action: Any, *, where: str) -> Any:
    """What the node runs, for what was given to `add_node`; `where` names the node in texts.

    A dict becomes LangChain's `RunnableParallel`, a generator function a function that returns what it yielded;
    everything else stays. Raises NotANodeError for a dict that cannot be one.
    """
    if isinstance(action, dict):
        return _parallel(action, where)
    function = _generator_of(action)
    if function is None:
        return action
    if inspect.isasyncgenfunction(function):
        return _collecting_async(action, where)
    return _collecting(action, where)


def _parallel(steps: dict[Any, Any], where: str) -> Any:
    runnables = loaded("langchain_core.runnables")
    if runnables is None:
        raise NotANodeError(
            f"{where} was given a dict. A dict of runnables is LangChain's RunnableParallel, and this process has not "
            'imported langchain-core (pip install "drumline[langchain]"). Import langchain_core.runnables, or give a '
            "function that returns a dict."
        )
    try:
        return runnables.RunnableParallel(steps)
    except TypeError as error:
        raise NotANodeError(
            f"{where} was given a dict that is no RunnableParallel, because each of its values must be a Runnable, a "
            f"callable or a dict of these: {error}"
        ) from error


def _generator_of(action: Any) -> Callable[..., Any] | None:
    """The generator function that a call of `action` begins; None if it begins none."""
    while isinstance(action, functools.partial):
        action = action.func
    call = getattr(type(action), "__call__", None)  # noqa: B004 (the method itself is looked at)
    for function in (action, call):
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            return function
    return None


def _collecting(action: Callable[..., Iterator[Any]], where: str) -> Callable[..., Any]:
    def collect(value: Any, **injected: Any) -> Any:
        result: Any = None
        for item in action(value, **injected):
            result = _joined(result, item, where)
        return result

    return collect


def _collecting_async(action: Callable[..., AsyncIterator[Any]], where: str) -> Callable[..., Any]:
    async def collect(value: Any, **injected: Any) -> Any:
        result: Any = None
        async for item in action(value, **injected):
            result = _joined(result, item, where)
        return result

    return collect


def _joined(result: Any, item: Any, where: str) -> Any:
    """What a node has yielded so far and the next item as one: their sum, or only the last where none exists."""
    if result is None:
        return item
    try:
        return result + item
    except TypeError:
        tell(
            f"{where} yielded more than one result, and a {type(result).__name__} and a {type(item).__name__} cannot "
            "be added: only what it yielded last counts, as in LangGraph. Return one update, and give what is to be "
            "seen meanwhile to the stream writer.",
            LostUpdateWarning,
        )
        return item
