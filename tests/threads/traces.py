"""Streams of runs on threads, of both engines, in a form in which they can be compared."""

import re
from collections.abc import Iterable
from typing import Any

MODES = ["values", "updates", "checkpoints", "tasks", "custom", "debug"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_LEFT_OUT = ("timestamp", "thread_id")
_NO_SCHEMA = ", response_schema=None"  # of a question: LangGraph 1.2.0 has no such field


def plain(value: Any) -> str:
    """A value as text that does not depend on ids, times, the order of keys, or whose classes its parts have."""
    return _DIGEST.sub("<question>", _UUID.sub("<id>", _text(value)))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        items = sorted((str(key), _text(item)) for key, item in value.items() if key not in _LEFT_OUT)
        return "{" + ", ".join(f"{key}: {item}" for key, item in items) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return repr(value).replace(_NO_SCHEMA, "")


def trace(graph: Any, inputs: Iterable[Any], *, thread: str = "1", **options: Any) -> list[str]:
    """What a thread streams for these inputs, one run after the other; an error is its class."""
    config = {"configurable": {"thread_id": thread}, "metadata": {"user": "u"}}
    found: list[str] = []
    for given in inputs:
        found.append("-- run")
        try:
            found += map(plain, graph.stream(given, config, stream_mode=MODES, **options))
        except Exception as error:
            found.append(type(error).__name__)
    return found


async def atrace(graph: Any, inputs: Iterable[Any], *, thread: str = "1", **options: Any) -> list[str]:
    """The same by `astream`."""
    config = {"configurable": {"thread_id": thread}, "metadata": {"user": "u"}}
    found: list[str] = []
    for given in inputs:
        found.append("-- run")
        try:
            found += [plain(item) async for item in graph.astream(given, config, stream_mode=MODES, **options)]
        except Exception as error:
            found.append(type(error).__name__)
    return found
