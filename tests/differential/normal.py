"""What a run yielded, as text that does not depend on the engine: that of the kit, and what LangGraph adds to it."""

from collections.abc import Iterable
from typing import Any

from typing_extensions import Self

from drumline.testing import Recorded as KitRecorded
from drumline.testing._streams.shown import (
    UUID,
    Item,
    exact_lines,
    is_engine_type,
    rename_ids,
    show,
    show_error,
    show_payload,
)

from .drift import shared

__all__ = [
    "UUID",
    "Item",
    "Recorded",
    "exact_lines",
    "kind_of",
    "rename_ids",
    "show",
    "show_error",
    "show_payload",
    "wordless",
]

# Errors that both engines have under one name; of any other of their errors the builtin base
# counts.
_SHARED_ERRORS = ("GraphRecursionError", "InvalidUpdateError", "EmptyInputError")


class Recorded(KitRecorded):
    """One stream, without the fields that an older LangGraph's has not."""

    @classmethod
    def of(cls, items: Iterable[tuple[Any, ...]], error: BaseException | None = None) -> Self:
        """From `(ns, mode, payload)` or `(mode, payload)` tuples, as a list of modes yields them."""
        found = super().of(items, error)
        found.items = [Item(item.ns, item.mode, shared(item.mode, item.payload)) for item in found.items]
        return found


def wordless(recorded: Recorded) -> Recorded:
    """The stream with its errors cut down to their kind: for errors that each engine words itself."""

    def cut(error: Any) -> Any:
        return None if error is None else kind_of(error)("")

    items = [
        Item(item.ns, item.mode, item.payload | {"error": cut(item.payload["error"])})
        if item.mode == "tasks" and "error" in item.payload
        else item
        for item in recorded.items
        if item.mode != "debug"
    ]
    return Recorded(items, cut(recorded.error))


def kind_of(error: BaseException) -> type[BaseException]:
    """The engine's own class, or the builtin that the error is an instance of."""
    name = type(error).__name__
    own = is_engine_type(type(error)) and name in _SHARED_ERRORS
    if own:
        return type(error)
    return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
