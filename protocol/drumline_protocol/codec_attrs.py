"""Classes made by attrs on the wire: as their attributes, like dataclasses. attrs itself is not imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_protocol.codec_types import WireType, attribute_type


def attrs_type(cls: Any, tag: str) -> WireType | None:
    """The wire type of a class that attrs made; None for an exception or a class that is made in a way of its own."""
    if cls.__new__ is not object.__new__:
        return None
    return attribute_type(cls, tag, {item.name: _default(item.default) for item in cls.__attrs_attrs__})


def _default(default: Any) -> Callable[[], Any] | None:
    if type(default).__name__ == "_Nothing":  # attrs.NOTHING: the attribute must be given
        return None
    factory = getattr(default, "factory", None)
    if factory is not None and hasattr(default, "takes_self"):
        return None if default.takes_self else factory
    return lambda: default
