"""Private copies: what a user's reducer may change in place without anybody else seeing it.

A copy is made of data, at every depth: lists, dicts, sets, deques, bytearrays and subclasses of them, dataclasses,
attrs classes, pydantic models, numpy's and pandas' objects. Whatever else the state of an embedded run
holds (locks, queues, clients, generators, objects of plain classes) stays the same object, because others know it by
its identity. So does what cannot be copied.
"""

from __future__ import annotations

import copy
from collections import UserDict, UserList, deque
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

from drumline_graph.channels.base import MISSING, Channel

Memo = dict[int, tuple[Any, Any]]
"""Of each object that was copied: itself (an id is only unique among objects that live) and its copy."""

_ATOMS: frozenset[type] = frozenset(
    {
        *(type(None), type(Ellipsis), type(MISSING), bool, int, float, complex, str, bytes, range, slice, frozenset),
        *(date, datetime, time, timedelta, timezone, Decimal, UUID),
        *(type, FunctionType, BuiltinFunctionType, MethodType, ModuleType),
    }
)
_CONTAINERS = (list, dict, set, deque, bytearray, UserDict, UserList, SimpleNamespace)
_ARRAYS = ("numpy", "pandas")


def private_copy(value: Any, memo: Memo) -> Any:
    """A copy of `value` that shares no data with it which could be changed. Never raises.

    Objects that the memo knows have the copy that they had: two names for one object stay two names for one object, as
    a reducer that compares with `is` expects. Elements of sets and keys of dicts are shared, since they have a hash.
    """
    try:
        return _copied(value, memo)
    except Exception:  # nested deeper than Python's stack, or changed by another thread meanwhile
        memo.clear()
        return value


def merged(channel: Channel, cell: Any, values: list[Any]) -> Any:
    """`channel.update(cell, values)`; the code of a user's own class gets private copies of both."""
    if not channel.user_made:
        return channel.update(cell, values)
    memo: Memo = {}
    return channel.update(private_copy(cell, memo), [private_copy(value, memo) for value in values])


def shallow_copy(value: Any) -> Any:
    """A copy of a container with the same items; any other value as it is."""
    return copy.copy(value) if isinstance(value, _CONTAINERS) else value


def _copied(value: Any, memo: Memo) -> Any:
    cls: Any = type(value)
    if cls in _ATOMS:
        return value
    known = memo.get(id(value))
    if known is not None:
        return known[1]
    if cls is list:
        fresh: Any = []
        memo[id(value)] = (value, fresh)
        fresh.extend([item if type(item) in _ATOMS else _copied(item, memo) for item in value])
        return fresh
    if cls is dict:
        fresh = {}
        memo[id(value)] = (value, fresh)
        for key, item in value.items():
            fresh[key] = item if type(item) in _ATOMS else _copied(item, memo)
        return fresh
    if cls is set or cls is bytearray:
        fresh = cls(value)
        memo[id(value)] = (value, fresh)
        return fresh
    if isinstance(value, tuple):
        return _copied_tuple(value, memo)
    return _copied_object(value, memo) if _is_data(cls) else value


def _copied_tuple(value: Any, memo: Memo) -> Any:
    items = [_copied(item, memo) for item in value]
    if all(one is other for one, other in zip(items, value, strict=True)):
        return value
    if type(value) is tuple:
        fresh: Any = tuple(items)
    else:
        make: Any = getattr(type(value), "_make", None)  # of a named tuple
        if make is None:
            return value
        fresh = make(items)
    memo[id(value)] = (value, fresh)
    return fresh


@lru_cache(maxsize=1024)
def _is_data(cls: Any) -> bool:
    """Whether objects of a class are what they hold. Enums are not, nor what runs (models, tools, chains).

    LangChain's messages are shared: a reducer that names them shows its names to whoever wrote them, as in LangGraph.
    """
    if issubclass(cls, (Enum, BaseException)) or hasattr(cls, "ainvoke"):
        return False
    if any(base.__module__.startswith("langchain_core.messages") for base in cls.__mro__):
        return False
    return (
        issubclass(cls, _CONTAINERS)
        or hasattr(cls, "__dataclass_fields__")
        or hasattr(cls, "__attrs_attrs__")
        or hasattr(cls, "__pydantic_validator__")
        or cls.__module__.partition(".")[0] in _ARRAYS
    )


def _copied_object(value: Any, memo: Memo) -> Any:
    try:
        if type(value).__module__.partition(".")[0] in _ARRAYS:
            fresh = copy.deepcopy(value)  # their shallow copies share the data
        else:
            fresh = copy.copy(value)
            if fresh is not value:
                memo[id(value)] = (value, fresh)
                _copy_inside(fresh, memo)
    except RecursionError:
        raise
    except Exception:  # the user's own __copy__, a field that refuses: the object itself, as LangGraph gives it
        fresh = value
    memo[id(value)] = (value, fresh)
    return fresh


def _copy_inside(fresh: Any, memo: Memo) -> None:
    """Put private copies in the place of what a shallow copy still shares with its original."""
    if isinstance(fresh, (list, deque, UserList)):
        for index, item in _changed(enumerate(list(fresh)), memo):
            fresh[index] = item
    elif isinstance(fresh, (dict, UserDict)):
        for key, item in _changed(list(fresh.items()), memo):
            fresh[key] = item
    attributes = getattr(fresh, "__dict__", None)
    if type(attributes) is dict:
        # Not by setattr: frozen classes refuse it, and pydantic may validate.
        for name, item in _changed(list(attributes.items()), memo):
            attributes[name] = item
    cls: Any = type(fresh)
    for slot in _slots_of(cls):
        try:
            item = slot.__get__(fresh)
        except AttributeError:  # was never set
            continue
        if (own := _copied(item, memo)) is not item:
            slot.__set__(fresh, own)


@lru_cache(maxsize=1024)
def _slots_of(cls: Any) -> tuple[Any, ...]:
    """The descriptors of a class's slots, under whatever name they are kept."""
    return tuple(slot for base in cls.__mro__ for slot in vars(base).values() if type(slot) is MemberDescriptorType)


def _changed(items: Iterable[tuple[Any, Any]], memo: Memo) -> Iterable[tuple[Any, Any]]:
    for key, item in items:
        own = _copied(item, memo)
        if own is not item:
            yield key, own
