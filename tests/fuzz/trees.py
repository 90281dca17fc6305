"""Encoded values as trees of msgpack, without any meaning: so that mutations reach every level of them."""

from __future__ import annotations

from typing import Any

import msgpack
from msgpack import ExtType

#: levels of ext payloads that are opened
DEPTH = 6


class Opened:
    """An ext value whose payload is a tree too."""

    __slots__ = ("code", "inner")

    def __init__(self, code: int, inner: Any) -> None:
        self.code = code
        self.inner = inner


def parse(data: bytes, depth: int = DEPTH) -> Any:
    """The tree of these bytes."""

    def open_ext(code: int, payload: bytes) -> Any:
        if depth and code not in (4, 5, 6, 7, 8):  # those hold no msgpack
            return Opened(code, parse(payload, depth - 1))
        return ExtType(code, payload)

    return msgpack.unpackb(data, ext_hook=open_ext, strict_map_key=False, unicode_errors="surrogatepass")


def write(tree: Any) -> bytes:
    """The bytes of a tree. Raises if msgpack cannot write it."""

    def dump(value: Any) -> Any:
        if type(value) is Opened:
            return ExtType(value.code, write(value.inner))
        raise TypeError(type(value).__name__)

    packed: bytes = msgpack.packb(tree, default=dump, strict_types=True, unicode_errors="surrogatepass")
    return packed


Place = tuple[Any, Any]


def places(tree: Any) -> list[Place]:
    """Every place of a tree where something else could stand: (what holds it, under which key)."""
    found: list[Place] = []
    stack = [tree]
    while stack:
        here = stack.pop()
        if type(here) is list:
            inside: Any = enumerate(here)
        elif type(here) is dict:
            inside = list(here.items())
        elif type(here) is Opened:
            inside = [("inner", here.inner)]
        else:
            continue
        for key, child in inside:
            found.append((here, key))
            stack.append(child)
    return found


def at(place: Place) -> Any:
    """What stands there."""
    holder, key = place
    return holder.inner if type(holder) is Opened else holder[key]


def put(place: Place, value: Any) -> None:
    """Let something else stand there."""
    holder, key = place
    if type(holder) is Opened:
        holder.inner = value
    else:
        holder[key] = value
