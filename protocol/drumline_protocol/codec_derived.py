"""Arguments of Sends that say of large values where they come from: two ext types of the codec. Pure.

A router that sends on the state it has read would write the whole state again for each Send. In its answer stands a
`Derived` in place of the argument: the argument's bytes, in which a `Hole` stands for each value that the task was
handed, and the names of those values: versions of cells, or blobs. A `Derived` stands only where the whole argument of
a `Send` stands, so nobody has to search for one, and its holes are filled while its bytes are decoded: no hole is ever
an object that a reader gets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

from drumline_graph.delta import PARTS, Change, is_change
from drumline_protocol.codec_builtin import Named, Pack, Unpack, ext
from drumline_protocol.limits import HOLES_MAX

#: An argument made of values that lie elsewhere, and the place of one of them.
DERIVED_CODE, HOLE_CODE = 36, 37

#: How the bytes of a `Derived` begin: an ext value with 8, 16 or 32 bits of length, whose payload is a list of two.
_DERIVED = re.compile(rb"\xc7.\x24\x92|\xc8..\x24\x92|\xc9....\x24\x92", re.DOTALL)

#: gets the number of an origin and the change that was made to its value, if any; gives what stands in the hole
Fill = Callable[[int, "Change | None"], Any]

_filling: ContextVar[Fill | None] = ContextVar("drumline_filling", default=None)


class CellAt(NamedTuple):
    """A version of a cell, as a task message names it: `base` is the version of the base that it stands on.

    Who has nothing of the cell reads the rows `base` to `version`.
    """

    cell: str
    version: int
    base: int


@dataclass(frozen=True, slots=True)
class Derived:
    """The argument of a Send without the large values in it. `box` is a `Boxed`, or the `Named` of one.

    Each origin is a `CellAt`, or a `Named`, or (once blobs were read) the value of that.
    """

    origins: tuple[Any, ...]
    box: Any

    @property
    def cells(self) -> list[CellAt]:
        """The versions of cells that it takes to make the argument."""
        return [origin for origin in self.origins if type(origin) is CellAt]


class Hole(NamedTuple):
    """The place of a value within the bytes of a `Derived`: the origin of that number, after a change."""

    origin: int
    change: Change | None = None


def may_derive(data: bytes) -> bool:
    """Whether encoded bytes may hold a `Derived`: a look that costs little, and is never wrong with a No."""
    return _DERIVED.search(data) is not None


def open_derived(derived: Derived, fill: Fill) -> Any:
    """The argument, decoded anew, with what `fill` gives in its holes. DecodeError, also for what `fill` raises."""
    left = HOLES_MAX

    def bounded(origin: int, change: Change | None) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or not 0 <= origin < len(derived.origins):
            raise ValueError("more holes than an argument may have, or one of no origin")
        return fill(origin, change)

    token = _filling.set(bounded)
    try:
        return derived.box.decoded()
    finally:
        _filling.reset(token)


def _dump_derived(obj: Derived, inner: Pack) -> Any:
    origins = [list(origin) if type(origin) is CellAt else origin for origin in obj.origins]
    return ext(DERIVED_CODE, inner([origins, obj.box]))


def _dump_hole(obj: Hole, inner: Pack) -> Any:
    return ext(HOLE_CODE, inner([obj.origin, None if obj.change is None else list(obj.change)]))


def _load_derived(payload: bytes, inner: Unpack, boxed: type) -> Any:
    parts = inner(payload)
    if type(parts) is not list or len(parts) != 2 or type(parts[0]) is not list or len(parts[0]) > HOLES_MAX:
        raise ValueError("not an argument made of others' values")
    origins, box = parts
    if type(box) is not boxed and type(box) is not Named:
        raise ValueError("not the bytes of an argument")
    return Derived(tuple(map(_origin, origins)), box)


def _origin(parts: Any) -> CellAt | Named:
    if type(parts) is Named:
        return parts
    if type(parts) is not list or list(map(type, parts)) != [str, int, int] or not 0 < parts[2] <= parts[1]:
        raise ValueError("not a version of a cell")
    return CellAt(*parts)


def _load_hole(payload: bytes, inner: Unpack) -> Any:
    fill = _filling.get()
    if fill is None:
        raise ValueError("a hole that is in no argument of a Send")
    parts = inner(payload)
    if type(parts) is not list or len(parts) != 2 or type(parts[0]) is not int:
        raise ValueError("not a hole")
    origin, change = parts
    if change is None:
        return fill(origin, None)
    if type(change) is not list or not change or change[0] not in PARTS or not is_change(change):
        raise ValueError("not the change of a value")
    return fill(origin, tuple(change))


DERIVED_DUMPERS: dict[type, Callable[[Any, Pack], Any]] = {Derived: _dump_derived, Hole: _dump_hole}


def derived_loaders(boxed: type) -> dict[int, Callable[[bytes, Unpack], Any]]:
    """How both types are read; `boxed` is the class of values that stay encoded."""
    return {DERIVED_CODE: lambda payload, inner: _load_derived(payload, inner, boxed), HOLE_CODE: _load_hole}
