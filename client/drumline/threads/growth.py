"""What changed in a cell between two checkpoints, as a change that is smaller than the value, where that is sure. Pure.

A cell that a node has changed in place looks, by identity, as if nothing had happened to it. So what was written since
counts as changed, whatever its identity says; and a change is only believed if all that it leaves out is the very
object that lay there before. Anything else is kept whole.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from drumline_graph.channels.base import MISSING, Channel
from drumline_graph.delta import APPEND, PUT, SET, UNITE, Change, diff

_SEQUENCES = (list, tuple)
_TEXTS = (str, bytes)
#: values of these types cannot have been changed in place
_FIXED = (str, bytes, int, float, complex, bool, type(None))
#: a list is looked through so often before the identities of its items are kept: most runs take few steps
_LOOKS = 3


class Identities:
    """Which objects lie in a list that only grows: a step of a long talk then need not look through all of it."""

    __slots__ = ("_count", "_known", "_looks")

    def __init__(self) -> None:
        self._looks = self._count = 0
        self._known: set[int] = set()

    def have_any(self, wanted: set[int], items: list[Any]) -> bool:
        """Whether one of these identities is among `items`, which begin with those of the last call."""
        self._looks += 1
        if self._looks <= _LOOKS:
            return not wanted.isdisjoint(map(id, items))
        self._known.update(map(id, items[self._count :]))
        self._count = len(items)
        return not wanted.isdisjoint(self._known)


def change_of(channel: Channel, old: Any, new: Any, writes: Sequence[Any] | None, identities: Identities) -> Change:
    """The change from `old` to `new`; `writes` is what the channel was given between them (None: not known).

    `old` is the value as `noted` has kept it. `identities` has looked at what it grew from: make another one where the
    change from that was no APPEND.
    """
    if old is MISSING or not writes:
        return SET, new
    before = _without_written(old, writes, identities)
    change = diff(channel, before, new, writes)
    return change if change[0] == SET or _is_sure(before, new, change) else (SET, new)


def noted(value: Any) -> Any:
    """A value to compare with later: a container that somebody adds to in place meanwhile is told apart from it."""
    kind = type(value)
    return kind(value) if kind in (list, dict, set) else value


def only_grows(change: Change, old: Any) -> bool:
    """Whether a change adds to a value, and replaces nothing in it."""
    return change[0] in (APPEND, UNITE) or (change[0] == PUT and old.keys().isdisjoint(change[1]))


def _written(writes: Sequence[Any]) -> set[int]:
    """The identities of all that was written and may have been changed in place before."""
    found: set[int] = set()
    for value in writes:
        items: Sequence[Any] = (value,)
        if type(value) in _SEQUENCES:
            items = (value, *value)
        elif type(value) is dict:
            items = (value, *value.values())
        found.update(id(item) for item in items if type(item) not in _FIXED)
    return found


def _without_written(old: Any, writes: Sequence[Any], identities: Identities) -> Any:
    """`old` with another object in place of each that was written again."""
    written = _written(writes)
    if type(old) is list and identities.have_any(written, old):
        return [_CHANGED if id(item) in written else item for item in old]
    if type(old) is dict and not written.isdisjoint(map(id, old.values())):
        return {key: _CHANGED if id(item) in written else item for key, item in old.items()}
    return old


_CHANGED = object()


def _is_sure(before: Any, new: Any, change: Change) -> bool:
    """Whether what a change leaves out is what lay there before. Changes by identity say so by themselves."""
    kind = change[0]
    if kind == APPEND:
        if type(before) in _TEXTS:
            return bool(new.startswith(before))
        return len(new) >= len(before) and all(map(operator.is_, before, new))
    if kind == PUT:
        put: Mapping[Any, Any] = change[1]
        left = all(key in put or before.get(key, MISSING) is item for key, item in new.items())
        return left and len(new) == len(before.keys() | put.keys())
    if kind == UNITE:
        return len(new) == len(before) + len(change[1])
    return True
