"""Changes that are just what the tasks of a superstep wrote: told by reference to those writes. Pure.

A log that holds what tasks wrote need not hold it again as what their superstep changed.

| change | meaning |
|---|---|
| `("w",)` | set to the value that was written last |
| `("l",)` | set to the list of what was written |
| `("W",)` | append what was written to a list |

"What was written" are the values that the tasks wrote to the channel, in the order of their paths; of a value that is a
list its items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_
from typing import Any

from drumline_graph.delta import APPEND, SET, Change

LAST, LISTED, TAIL = "w", "l", "W"

#: gives what the tasks of a step wrote to a channel
Written = Callable[[str], Sequence[Any]]


def refer(change: Change, written: Sequence[Any]) -> Change:
    """The change by reference if it holds nothing but the objects that were written, else as it is."""
    if not written:
        return change
    kind, value = change[0], change[-1]
    if kind == SET and value is written[-1]:
        return (LAST,)
    if type(value) is list and kind in (SET, APPEND):
        items = _items(written)
        if len(items) == len(value) and all(map(is_, items, value)):
            return (LISTED,) if kind == SET else (TAIL,)
    return change


def expand(changes: Mapping[str, Change], written: Written) -> Mapping[str, Change]:
    """The same changes without references. IndexError if nothing was written where something should have been."""
    if not any(change[0] in (LAST, LISTED, TAIL) for change in changes.values()):
        return changes
    return {channel: _expanded(change, channel, written) for channel, change in changes.items()}


def _expanded(change: Change, channel: str, written: Written) -> Change:
    kind = change[0]
    if kind == LAST:
        return (SET, written(channel)[-1])
    if kind == LISTED:
        return (SET, _items(written(channel)))
    return (APPEND, _items(written(channel))) if kind == TAIL else change


def _items(written: Sequence[Any]) -> list[Any]:
    return [item for value in written for item in (value if type(value) is list else (value,))]
