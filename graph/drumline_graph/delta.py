"""What changed in a channel, as data: so that what is stored and sent follows the change, not the size.

A change never has to be reduced again: `patch(old, diff(channel, old, new, writes)) == new`, without asking any
reducer. A change is smaller than the value only for a closed list of channels: reducers that concatenate (list, str,
tuple, bytes), merge dicts or unite sets, `add_messages`, delta channels, topics that accumulate. Every other channel
travels whole.

| change | meaning |
|---|---|
| `("s", cell)` | set |
| `("x",)` | the channel holds nothing now |
| `("+", tail)` | append to a list, str, tuple or bytes |
| `("p", {key: value})` | put keys into a dict |
| `("-", [key], {key: value})` | take keys out of a dict, then put keys |
| `("u", [item])` | add items to a set or frozenset |
| `("r", {index: item}, tail)` | replace items of a list, then append |
| `("d", [index], {index: item}, tail)` | replace items of a list, take others out, then append; all by old indexes |
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drumline_graph.channels.base import MISSING, Channel
from drumline_graph.channels.binop import BinaryOperatorAggregate, DeltaChannel, overwrite_value
from drumline_graph.channels.reducers import CONCATENATIONS, EXTENSIONS, UNIONS, UPDATES
from drumline_graph.channels.topic import Topic

Change = tuple[Any, ...]

SET, GONE, APPEND, PUT, UNITE, REPLACE = "s", "x", "+", "p", "u", "r"
TAKE_KEYS, TAKE_ITEMS = "-", "d"

#: What the parts behind the kind of a change are.
VALUE, ITEMS, PLACES = "a value", "a container of new items", "keys or indexes"
PARTS: Mapping[str, tuple[str, ...]] = {
    SET: (VALUE,),
    GONE: (),
    APPEND: (ITEMS,),
    PUT: (ITEMS,),
    TAKE_KEYS: (PLACES, ITEMS),
    UNITE: (ITEMS,),
    REPLACE: (ITEMS, ITEMS),
    TAKE_ITEMS: (PLACES, ITEMS, ITEMS),
}

_SEQUENCES = (list, str, tuple, bytes)
_SETS = (set, frozenset)


def diff(channel: Channel, old: Any, new: Any, writes: Sequence[Any]) -> Change:
    """The change from cell `old` to cell `new`, made by `channel.update(old, writes)`. Neither is changed."""
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
    kind = type(new)
    if getattr(reducer, "appends_by_identity", False):
        return _by_identity(old, new)
    if kind in _SEQUENCES and _is_one_of(reducer, CONCATENATIONS, EXTENSIONS):
        # The type of a write may bring an operator of its own, which need not append.
        appended = kind is list and _is_one_of(reducer, EXTENSIONS)
        return (APPEND, new[len(old) :]) if appended or _all_of(writes, (kind,)) else (SET, new)
    if kind is dict and _is_one_of(reducer, UNIONS, UPDATES) and _all_of(writes, (dict,)):
        return (PUT, {key: new[key] for write in writes for key in write})
    if kind in _SETS and _is_one_of(reducer, UNIONS, UPDATES) and _all_of(writes, _SETS):
        return (UNITE, list({item: None for write in writes for item in write if item not in old}))
    return (SET, new)


def _is_one_of(reducer: Any, *lists: Iterable[Any]) -> bool:
    return any(reducer is known for known_ones in lists for known in known_ones)


def _all_of(values: Iterable[Any], types: tuple[type, ...]) -> bool:
    return all(type(value) in types for value in values)


# -- containers that share the objects that stayed as they were -------------------------------------


def _by_identity(old: Any, new: Any) -> Change:
    """Change between two containers that share the objects that stayed as they were."""
    change: Change | None = None
    if type(new) is list:
        change = _items_changed(old, new)
    elif type(new) is dict:
        change = _keys_changed(old, new)
    elif type(new) in _SETS:
        known = set(map(id, old))
        added = [item for item in new if id(item) not in known]
        if len(new) - len(added) == len(old):
            change = (UNITE, added)
    return (SET, new) if change is None else change


def _items_changed(old: list[Any], new: list[Any]) -> Change | None:
    """The change that carries fewer items; None if each would carry all (the list was read again, for example)."""
    if len(new) >= len(old) and all(map(operator.is_, old, new)):
        return (APPEND, new[len(old) :])
    found = [change for change in (_items_replaced(old, new), _items_taken(old, new)) if change is not None]
    return min(found, key=_items_carried, default=None)


def _items_carried(change: Change) -> int:
    return len(change[-2]) + len(change[-1])


def _items_replaced(old: list[Any], new: list[Any]) -> Change | None:
    """None if the list is shorter now, or no item stayed where it was."""
    replaced = {index: item for index, (before, item) in enumerate(zip(old, new, strict=False)) if before is not item}
    return (REPLACE, replaced, new[len(old) :]) if len(replaced) < len(old) <= len(new) else None


def _items_taken(old: list[Any], new: list[Any]) -> Change | None:
    """None if no item stayed, or items were put between two that stayed: no change tells of that."""
    places: dict[int, int] = {}
    for place, item in enumerate(new):
        places.setdefault(id(item), place)
    taken: list[int] = []
    replaced: dict[int, Any] = {}
    others: list[int] = []  # indexes of the old items since the last one that stayed
    at = 0
    for index, item in enumerate(old):
        place = at if at < len(new) and new[at] is item else places.get(id(item), -1)
        if place < at:
            others.append(index)
            continue
        if place - at > len(others):
            return None
        replaced.update(zip(others, new[at:place], strict=False))
        taken += others[place - at :]
        others = []
        at = place + 1
    return (TAKE_ITEMS, [*taken, *others], replaced, new[at:]) if at else None


def _keys_changed(old: dict[Any, Any], new: dict[Any, Any]) -> Change | None:
    """None if no value stayed, or if a key that stayed has another place or type (`1` and `True`)."""
    taken = [key for key in old if key not in new]
    stayed = [key for key in old if key in new] if taken else list(old)
    same_order = all(a == b and type(a) is type(b) for a, b in zip(stayed, new, strict=False))
    put = {key: value for key, value in new.items() if old.get(key, MISSING) is not value}
    if same_order and len(put) < len(new):
        return (TAKE_KEYS, taken, put) if taken else (PUT, put)
    return None


# -- back to cells ----------------------------------------------------------------------------------


def patch(cell: Any, change: Change) -> Any:
    """The cell after a change. Never changes `cell` in place. ValueError for an unknown kind of change."""
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
    if kind == UNITE:
        return cell.union(change[1])
    if kind == REPLACE:
        return [*_with(cell, change[1]), *change[2]]
    if kind == TAKE_ITEMS:
        taken = set(change[1])
        return [*(x for i, x in enumerate(_with(cell, change[2])) if i not in taken), *change[3]]
    if kind == TAKE_KEYS:
        taken = set(change[1])
        return {**{key: value for key, value in cell.items() if key not in taken}, **change[2]}
    raise ValueError(f"A change begins with one of {', '.join(PARTS)}; got {change!r}.")


def _with(cell: list[Any], replaced: Mapping[int, Any]) -> list[Any]:
    items = list(cell)
    for index, item in replaced.items():
        items[index] = item
    return items


def is_change(value: Sequence[Any]) -> bool:
    """Whether a row from a wire has as many parts as its kind of change. A kind that is not known here passes."""
    return value[0] not in PARTS or len(PARTS[value[0]]) == len(value) - 1


def patched(cells: Mapping[str, Any], changes: Mapping[str, Change]) -> dict[str, Any]:
    """New cells of the channels that a superstep changed; MISSING for one that holds nothing now. Pure.

    `store` puts them into a dict of cells, as `State.advance` does.
    """
    return {
        channel: change[1] if change[0] == SET else patch(cells.get(channel, MISSING), change)
        for channel, change in changes.items()
    }


def as_changes(cells: Mapping[str, Any]) -> dict[str, Change]:
    """New cells as changes that set them: what `patched` gives back, whatever was there before."""
    return {channel: (GONE,) if cell is MISSING else (SET, cell) for channel, cell in cells.items()}


def store(cells: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Put new cells into a dict of cells, in place; what is MISSING is taken out."""
    for channel, cell in new.items():
        if cell is MISSING:
            cells.pop(channel, None)
        else:
            cells[channel] = cell
