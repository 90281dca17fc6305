"""How a saver's methods are called: some know no path of a task, and some are there in their sync form only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from inspect import signature
from typing import Any


def method_of(saver: Any, name: str) -> Callable[..., Any]:
    """A saver's method. Of those that keep writes the fourth argument is left out where the method takes no path.

    LangGraph looks for the parameter's name too, so that savers from before there was one go on working.
    """
    method: Callable[..., Any] = getattr(saver, name)
    if not name.endswith("put_writes") or _takes_path(getattr(method, "__func__", method)):
        return method
    return lambda config, writes, task, _path="": method(config, writes, task)


@lru_cache(maxsize=256)
def _takes_path(function: Callable[..., Any]) -> bool:
    """Looked up once for each function: a saver writes in every superstep."""
    return "task_path" in signature(function).parameters


async def acall(saver: Any, name: str, *given: Any, **named: Any) -> Any:
    """Call the async twin of a method, or the method in a thread if the saver has none."""
    try:
        return await method_of(saver, f"a{name}")(*given, **named)
    except NotImplementedError:
        return await asyncio.to_thread(method_of(saver, name), *given, **named)
