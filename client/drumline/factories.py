"""Functions that make a graph: plain or async, with or without a config, also as context managers.

LangGraph's server calls them for each run. Here a graph is one thing that every process of the cluster holds, so each
process calls them once, when it loads its apps, with an empty config; a context manager is left when the process ends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

log = logging.getLogger("drumline.apps")

_FILLED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class NotAFactory(Exception):
    """The function needs more than a config. The text names its arguments."""


def make(factory: Callable[..., Any], spec: str) -> Any:
    """What `factory` makes, in the end: awaited, or entered. Raises NotAFactory, and whatever the factory raises."""
    named, positional = _arguments(factory)
    if named or positional:
        log.warning("%s is called once, with an empty config, and not for each run: it makes one graph for all", spec)
    made = factory(*positional, **named)
    if isinstance(made, Coroutine):
        made = _await(made)
    if isinstance(made, contextlib.AbstractAsyncContextManager):
        manager = made
        made = _await(manager.__aenter__())
        atexit.register(lambda: _await(manager.__aexit__(None, None, None)))
    elif isinstance(made, contextlib.AbstractContextManager):
        stack = contextlib.ExitStack()
        made = stack.enter_context(made)
        atexit.register(stack.close)
    return made


def _arguments(factory: Callable[..., Any]) -> tuple[dict[str, Any], list[Any]]:
    """A config for the parameter that takes one, told by its name or its annotation."""
    parameters = [p for p in inspect.signature(factory).parameters.values() if p.kind in _FILLED]
    needed = [p for p in parameters if p.default is p.empty]
    takes = next((p for p in parameters if _is_config(p)), None)
    others = [p.name for p in needed if p is not takes]
    if others:
        raise NotAFactory(", ".join(others))
    if takes is None:
        return {}, []
    config: dict[str, Any] = {"tags": [], "metadata": {}, "configurable": {}}
    return ({}, [config]) if takes.kind is takes.POSITIONAL_ONLY else ({takes.name: config}, [])


def _is_config(parameter: inspect.Parameter) -> bool:
    return "config" in parameter.name.lower() or parameter.name == "cfg" or "Config" in str(parameter.annotation)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """A loop that goes on: what an async factory opened may need it as long as the process lives."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="drumline-factories", daemon=True).start()
    return loop


def _await(call: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(call, _loop()).result()
