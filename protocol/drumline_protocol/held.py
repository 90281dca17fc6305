"""Values that stand in a row by their place in another one: a version of a cell holds what tasks have written. Pure.

What a task writes becomes part of a cell. A row that is kept together with that version of the cell need not repeat it:
it says which version, and where in it. The *part* that a version adds is the value of a base, or what a delta appends,
puts or unites.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

#: less than this is said again: naming it takes about as much
HELD_BYTES_MIN = 128

#: as the place in a part: all of it; as the count of items: the item itself, not a list of it
_ALL, _ITEM = -1, -1
_NOTHING, _GIVEN = object(), object()


class Holder:
    """The parts that versions add, by channel, and where a value stands in them.

    What has an equal `key` is the same: by default an object is the same as itself alone.
    """

    def __init__(self, parts: Mapping[str, Any], key: Callable[[Any], Hashable] = id) -> None:
        self._parts = parts
        self._key = key
        #: where the items of a list stand, by their keys
        self._places: dict[str, dict[Hashable, int]] = {}

    def place(self, channel: str, value: Any) -> tuple[int, int] | None:
        """Where a value stands: the first item, and how many. None: nowhere."""
        part = self._parts.get(channel, _NOTHING)
        if value is part:
            return _ALL, _ALL
        kind = type(value)
        if type(part) is list:
            return self._among(channel, part, value)
        if kind is not type(part):
            return None
        if kind is str or kind is bytes:
            same = value == part
        elif kind is dict:
            same = len(value) == len(part) and all(
                map(self._is_same, [*value, *value.values()], [*part, *part.values()])
            )
        else:
            same = self._is_same(value, part)
        return (_ALL, _ALL) if same else None

    def _among(self, channel: str, part: list[Any], value: Any) -> tuple[int, int] | None:
        several = type(value) is list and len(value) > 0
        places = self._places.get(channel)
        if places is None:
            places = self._places[channel] = {self._key(each): at for at, each in reversed([*enumerate(part)])}
        start = places.get(self._key(value[0] if several else value))
        if start is None:
            return None
        if not several:
            return start, _ITEM
        there = part[start : start + len(value)]
        return (start, len(value)) if len(there) == len(value) and all(map(self._is_same, there, value)) else None

    def _is_same(self, one: Any, other: Any) -> bool:
        return one is other or self._key(one) == self._key(other)


class Held:
    """Values by their places. `part` reads what a version adds, anew each time. Nobody gets what another one has."""

    def __init__(self, part: Callable[[Any], Any]) -> None:
        self._part = part
        #: what of a part is decoded, and has not been given out
        self._left: dict[Hashable, list[Any]] = {}

    def value(self, version: Any, start: int, count: int) -> Any:
        """The value at a place. Raises what `part` raises, and IndexError for a place that is not there."""
        if start == _ALL:
            return self._part(version)
        left = self._left.get(version)
        if left is None:
            left = self._left[version] = self._part(version)
        taken = _items(left, start, count)
        if any(item is _GIVEN for item in taken):  # two tasks have written one object
            taken = _items(self._part(version), start, count)
        else:
            left[start : start + len(taken)] = [_GIVEN] * len(taken)
        return taken[0] if count == _ITEM else taken


def _items(part: Any, start: int, count: int) -> list[Any]:
    taken = part[start : start + (1 if count == _ITEM else count)] if type(part) is list and start >= 0 else []
    if not taken or len(taken) < count:
        raise IndexError(f"items {start} to {start + count} are not in a version of a cell")
    return taken
