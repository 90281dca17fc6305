"""A config that is built when somebody looks into it.

LangChain's runnables that are called without a config look for one in a context variable, so every task has to set it.
Few nodes call a runnable, and a config takes as long to build as all else that surrounds a trivial node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class LateConfig(dict[str, Any]):
    """What `make()` returns, a dict; called at the first use of any method or operator."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make: Callable[[], dict[str, Any]] | None = make

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def _filled(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def call(self: LateConfig, *args: Any, **rest: Any) -> Any:
        make = self._make
        if make is not None:
            dict.update(self, make())
            self._make = None  # only now: another thread must not find it empty
        return method(self, *args, **rest)

    call.__name__ = name
    return call


# All of them: `{**config}`, `dict(config)` and the like go by `keys` where `__iter__` is not dict's own.
for _name in (
    *("__contains__", "__delitem__", "__eq__", "__ge__", "__getitem__", "__gt__", "__ior__", "__iter__", "__le__"),
    *("__len__", "__lt__", "__ne__", "__or__", "__repr__", "__reversed__", "__ror__", "__setitem__", "__sizeof__"),
    *("clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"),
):
    setattr(LateConfig, _name, _filled(_name))
