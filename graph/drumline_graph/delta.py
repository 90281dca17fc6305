"""What changed in a channel, as data: so that what is stored and sent follows the change, not the
size.

A change never has to be reduced again: `patch(old, diff(channel, old, new, writes)) == new`,
without asking any reducer. Only for reducers whose result is known to grow in a certain way (the
closed list below) is the change smaller than the value; every other channel travels whole.

| change | meaning |
|---|---|
| `("s", cell)` | set |
| `("x",)` | the channel holds nothing now |
| `("+", tail)` | append to a list, str or tuple |
| `("p", {key: value})` | put keys into a dict |
| `("r", {index: item}, tail)` | replace items of a list, then append |
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from drumline_graph.channels.base import MISSING, Channel
from drumline_graph.channels.binop import BinaryOperatorAggregate, DeltaChannel, overwrite_value
from drumline_graph.channels.topic import Topic

Change = tuple[Any, ...]

SET, GONE, APPEND, PUT, REPLACE = "s", "x", "+", "p", "r"

_CONCATENATE = (operator.add, operator.concat, operator.iadd, operator.iconcat)
_MERGE = (operator.or_, operator.ior)


def diff(channel: Channel, old: Any, new: Any, writes: Sequence[Any]) -> Change:
    """The change from cell `old` to cell `new`, made by `channel.update(old, writes)`.

    `old` must not have been changed in place by the reducer: give the cell as it was, or a copy.
    """
    if new is MISSING:
        return (GONE,)
    if old is MISSING or old is new or type(old) is not type(new):
        return (SET, new)
    if any(overwrite_value(value) is not MISSING for value in writes):
        return (SET, new)
    if isinstance(channel, BinaryOperatorAggregate):
        return _diff_reduced(channel.operator, old, new, writes)
    if isinstance(channel, DeltaChannel):
        # Its contract (see the class) is that items are replaced, never changed in place.
        return _by_identity(old, new)
    if isinstance(channel, Topic) and channel.accumulate:
        return (APPEND, new[len(old) :])
    return (SET, new)


def _diff_reduced(reducer: Any, old: Any, new: Any, writes: Sequence[Any]) -> Change:
    if reducer in _CONCATENATE and type(new) in (list, str, tuple):
        return (APPEND, new[len(old) :])
    if reducer in _MERGE and type(new) is dict:
        return (PUT, {key: new[key] for write in writes for key in write})
    if getattr(reducer, "appends_by_identity", False):
        return _by_identity(old, new)
    return (SET, new)


def _by_identity(old: Any, new: Any) -> Change:
    """Change between two containers that share the objects that stayed as they were."""
    if type(new) is list and len(new) >= len(old):
        replaced = {
            index: item for index, (before, item) in enumerate(zip(old, new, strict=False)) if before is not item
        }
        tail = new[len(old) :]
        if not replaced:
            return (APPEND, tail)
        # Mostly replaced (or read again from storage, so that nothing is shared): send it whole.
        return (REPLACE, replaced, tail) if 2 * len(replaced) <= len(old) else (SET, new)
    if type(new) is dict and old.keys() <= new.keys():
        same_order = all(a == b for a, b in zip(old, new, strict=False))
        put = {key: value for key, value in new.items() if old.get(key, MISSING) is not value}
        if same_order and 2 * len(put) <= len(new):
            return (PUT, put)
    return (SET, new)


def patch(cell: Any, change: Change) -> Any:
    """The cell after a change. Never changes `cell` in place. ValueError for an unknown kind of
    change.
    """
    kind = change[0]
    if kind == SET:
        return change[1]
    if kind == GONE:
        return MISSING
    if kind == APPEND:
        tail = change[1]
        return [*cell, *tail] if isinstance(cell, list) else cell + type(cell)(tail)
    if kind == PUT:
        return {**cell, **change[1]}
    if kind == REPLACE:
        items = [*cell, *change[2]]
        for index, item in change[1].items():
            items[index] = item
        return items
    raise ValueError(f"A change begins with one of s, x, +, p, r; got {change!r}.")
