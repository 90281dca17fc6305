"""Reducers that change what they are given, and values for them: one of each kind."""

from __future__ import annotations

import operator
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import attrs
from hypothesis import strategies as st
from pydantic import BaseModel

Reducer = Callable[[Any, Any], Any]


@dataclass
class Bag:
    items: list[int] = field(default_factory=list)
    inner: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Slotted:
    items: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    items: list[int] = field(default_factory=list)


@attrs.define
class Attrs:
    items: list[int] = attrs.field(factory=list)


class Model(BaseModel):
    items: list[int] = []


class Kept(list[int]):
    """A list of the user's own class, with an attribute."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__(items)
        self.seen: list[int] = []


def append(left: Any, right: Any) -> Any:
    left.append(right)
    return left


def extend(left: Any, right: Any) -> Any:
    left.extend(right)
    return left


def inplace_add(left: Any, right: Any) -> Any:
    left += right
    return left


def update(left: Any, right: Any) -> Any:
    left.update(right)
    return left


def set_add(left: Any, right: Any) -> Any:
    for item in right:
        left.add(item)
    return left


def nested(left: Any, right: Any) -> Any:
    for key, items in right.items():
        left.setdefault(key, []).extend(items)
    return left


def swap(left: Any, right: Any) -> Any:
    """The right value grows and is kept."""
    right.extend(left)
    return right


def empties_right(left: Any, right: Any) -> Any:
    return [*left, *[right.pop() for _ in range(len(right))]]


def fields(left: Any, right: Any) -> Any:
    left.items.extend(right.items)
    right.items.append(-1)
    return left


def deep_fields(left: Any, right: Any) -> Any:
    left.items += right.items
    for key, items in right.inner.items():
        left.inner.setdefault(key, []).extend(items)
    return left


def keeps_same(left: Any, right: Any) -> Any:
    """Compares by identity, as a reducer does whose nodes may return the state's own value."""
    if left is right:
        return left
    left.extend(right)
    return left


def seen_too(left: Any, right: Any) -> Any:
    left.extend(right)
    left.seen.extend(right)
    return left


def sorts(left: Any, right: Any) -> Any:
    left.extend(right)
    left.sort()
    return left


ints = st.lists(st.integers(-3, 3), max_size=3)
dicts = st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3)
groups = st.dictionaries(st.sampled_from("abc"), ints, max_size=3)

#: the state's type, the reducer, and what nodes write
CASES: dict[str, tuple[Any, Reducer, st.SearchStrategy[Any]]] = {
    "append": (list, append, st.integers()),
    "append a list": (list, append, ints),
    "extend": (list, extend, ints),
    "+=": (list, inplace_add, ints),
    "operator.iadd": (list, operator.iadd, ints),
    "operator.iconcat": (list, operator.iconcat, ints),
    "list.__iadd__": (list, list.__iadd__, ints),
    "operator.ior of dicts": (dict, operator.ior, dicts),
    "operator.ior of sets": (set, operator.ior, st.frozensets(st.integers(0, 9), max_size=3)),
    "dict.update": (dict, update, dicts),
    "set.add": (set, set_add, ints),
    "nested": (dict, nested, groups),
    "swap": (list, swap, ints),
    "empties right": (list, empties_right, ints),
    "sorts": (list, sorts, ints),
    "compares": (list, keeps_same, ints),
    "deque": (deque, append, st.integers()),
    "ordered": (OrderedDict, nested, groups),
    "counted": (lambda: defaultdict(list), nested, groups),
    "dataclass": (Bag, deep_fields, st.builds(Bag, ints, groups)),
    "slots": (Slotted, fields, st.builds(Slotted, ints)),
    "frozen": (Frozen, fields, st.builds(Frozen, ints)),
    "attrs": (Attrs, fields, st.builds(Attrs, ints)),
    "pydantic": (Model, fields, st.builds(Model, items=ints)),
    "list's subclass": (Kept, seen_too, ints),
    "bytearray": (bytearray, operator.iadd, st.binary(max_size=3)),
}  # fmt: skip
