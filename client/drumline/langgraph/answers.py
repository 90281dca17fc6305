"""Classes that an agent's structured response is an instance of.

`create_agent(response_format=Weather)` and its older sister write such an object into the state, but their state schema
does not name the class: only code inside of their nodes does. The codec's table is closed, so we look it up there.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

_DEPTH_MAX = 3


def answer_types(graph: Any) -> tuple[type, ...]:
    """Pydantic models and dataclasses that the prebuilt agents' nodes of a graph hold as response formats."""
    found: dict[type, None] = {}
    for node in graph.nodes.values():
        for function in (getattr(node.bound, "func", None), getattr(node.bound, "afunc", None)):
            if str(getattr(function, "__module__", "")).startswith(("langchain.agents", "langgraph.prebuilt")):
                found.update(dict.fromkeys(_classes(_held(function), _DEPTH_MAX)))
    return tuple(found)


def _held(function: Any) -> Iterable[Any]:
    """Values that a function closes over."""
    return inspect.getclosurevars(function).nonlocals.values() if inspect.isfunction(function) else ()


def _classes(values: Iterable[Any], depth: int) -> Iterator[type]:
    if not depth:
        return
    for value in values:
        if isinstance(value, type):
            if issubclass(value, BaseModel) or dataclasses.is_dataclass(value):
                yield value
        elif isinstance(value, dict):
            yield from _classes(value.values(), depth - 1)
        elif isinstance(value, (list, tuple)):
            yield from _classes(value, depth - 1)
        elif inspect.isfunction(value):
            yield from _classes(_held(value), depth - 1)
        elif hasattr(value, "schema") and not isinstance(value, BaseModel):  # how the answer is asked for
            yield from _classes((value.schema,), depth - 1)
