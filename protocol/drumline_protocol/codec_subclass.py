"""Subclasses of Python's own types on the wire: what the base type holds, and the attributes.

For classes of users that a schema names or that were registered, and for those of the standard library
(`codec_stdlib`). An object is rebuilt by the base type's own methods, so that no method that the class has put over
them runs.
"""

from __future__ import annotations

from collections import ChainMap, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple

from drumline_protocol.codec_types import Misfit, WireType, tag_of

_set = object.__setattr__


class Base(NamedTuple):
    """How the part of an object that its base type keeps is read, and made again as a `cls`."""

    read: Callable[[Any], Any]
    make: Callable[[Any, Any], Any]


def _made_dict(cls: Any, given: dict[Any, Any]) -> Any:
    obj = dict.__new__(cls)
    dict.update(obj, given)
    return obj


def _made_ordered(cls: Any, given: dict[Any, Any]) -> Any:
    obj = OrderedDict.__new__(cls)
    for key, value in given.items():
        OrderedDict.__setitem__(obj, key, value)
    return obj


def _made_default(cls: Any, given: list[Any]) -> Any:
    factory, items = given
    if factory is not None and not isinstance(factory, type):
        raise ValueError("the factory of a defaultdict is no class")
    obj = defaultdict.__new__(cls)
    defaultdict.__init__(obj, factory, items)
    return obj


def _made_list(cls: Any, given: list[Any]) -> Any:
    obj = list.__new__(cls)
    list.extend(obj, given)
    return obj


def _made_set(cls: Any, given: set[Any]) -> Any:
    obj = set.__new__(cls)
    set.update(obj, given)
    return obj


def _made_deque(cls: Any, given: deque[Any]) -> Any:
    obj = deque.__new__(cls)
    deque.__init__(obj, given, given.maxlen)
    return obj


def _made_bytearray(cls: Any, given: bytes) -> Any:
    obj = bytearray.__new__(cls)
    bytearray.extend(obj, given)
    return obj


def _read_datetime(obj: datetime) -> datetime:
    return datetime(
        obj.year,
        obj.month,
        obj.day,
        obj.hour,
        obj.minute,
        obj.second,
        obj.microsecond,
        obj.tzinfo,
        fold=obj.fold,
    )


def _made_datetime(cls: Any, given: datetime) -> Any:
    return datetime.__new__(
        cls,
        given.year,
        given.month,
        given.day,
        given.hour,
        given.minute,
        given.second,
        given.microsecond,
        given.tzinfo,
        fold=given.fold,
    )


def _made_date(cls: Any, given: date) -> Any:
    return date.__new__(cls, given.year, given.month, given.day)


def _read_time(obj: time) -> time:
    return time(obj.hour, obj.minute, obj.second, obj.microsecond, obj.tzinfo, fold=obj.fold)


def _made_time(cls: Any, given: time) -> Any:
    return time.__new__(cls, given.hour, given.minute, given.second, given.microsecond, given.tzinfo, fold=given.fold)


def _by_new(base: Any) -> Callable[[Any, Any], Any]:
    return lambda cls, given: base.__new__(cls, given)


#: bases, the narrower ones first, and the type of what stands for them in the bytes
BASES: dict[type, tuple[type, Base]] = {
    OrderedDict: (dict, Base(lambda obj: dict(OrderedDict.items(obj)), _made_ordered)),
    defaultdict: (list, Base(lambda obj: [obj.default_factory, dict(dict.items(obj))], _made_default)),
    dict: (dict, Base(lambda obj: dict(dict.items(obj)), _made_dict)),
    list: (list, Base(lambda obj: list(list.__iter__(obj)), _made_list)),
    tuple: (tuple, Base(lambda obj: tuple(tuple.__iter__(obj)), _by_new(tuple))),
    set: (set, Base(lambda obj: set(set.__iter__(obj)), _made_set)),
    frozenset: (frozenset, Base(lambda obj: frozenset(frozenset.__iter__(obj)), _by_new(frozenset))),
    str: (str, Base(str.__str__, _by_new(str))),
    int: (int, Base(int.__int__, _by_new(int))),
    float: (float, Base(float.__float__, _by_new(float))),
    complex: (complex, Base(lambda obj: complex(obj.real, obj.imag), _by_new(complex))),
    bytes: (bytes, Base(lambda obj: bytes.__getitem__(obj, slice(None)), _by_new(bytes))),
    bytearray: (bytes, Base(bytes, _made_bytearray)),
    deque: (deque, Base(lambda obj: deque(deque.__iter__(obj), obj.maxlen), _made_deque)),
    datetime: (datetime, Base(_read_datetime, _made_datetime)),
    date: (
        date,
        Base(lambda obj: date(obj.year, obj.month, obj.day), _made_date),
    ),
    time: (time, Base(_read_time, _made_time)),
    timedelta: (
        timedelta,
        Base(
            lambda obj: timedelta(obj.days, obj.seconds, obj.microseconds),
            lambda cls, given: timedelta.__new__(cls, given.days, given.seconds, given.microseconds),
        ),
    ),
    Decimal: (
        Decimal,
        Base(lambda obj: Decimal.__copy__(obj) if type(obj) is Decimal else Decimal(obj), _by_new(Decimal)),
    ),
}

#: classes whose objects are their attributes, as are those of subclasses; and the attribute that they cannot do without
ATTRIBUTES: dict[type, tuple[str, type] | None] = {
    UserDict: ("data", dict),
    UserList: ("data", list),
    UserString: ("data", str),
    ChainMap: ("maps", list),
    SimpleNamespace: None,
}


def base_of(cls: type) -> type | None:
    """The type of Python's that objects of `cls` extend; None if there is none."""
    for base in (*BASES, *ATTRIBUTES):
        if issubclass(cls, base):
            return base
    return None


def subclass_type(cls: Any, tag: str | None = None) -> WireType | None:
    """The wire type of a subclass of one of Python's own types, or of an exception. None for other classes.

    Parts: what the base type holds; then, if there are any, the attributes.
    """
    if issubclass(cls, BaseException):
        from drumline_protocol.codec_errors import listed_error

        return listed_error(cls, tag or tag_of(cls))
    base = base_of(cls)
    if base is None or (cls is base and base not in (OrderedDict, defaultdict, bytearray, *ATTRIBUTES)):
        return None
    if base in ATTRIBUTES:
        return _attributes_type(cls, tag or tag_of(cls), ATTRIBUTES[base])
    kind, (read, make) = BASES[base]
    slots = slots_of(cls)

    def dump(obj: Any) -> list[Any]:
        attributes = _attributes(obj, slots)
        return [read(obj), attributes] if attributes else [read(obj)]

    def load(parts: list[Any]) -> Any:
        held: Any = parts[0] if parts else None
        count = len(held) if base is defaultdict and type(held) is list else 2
        if type(held) is not kind or count != 2:
            raise Misfit(f"not what a {base.__name__} holds")
        obj = make(cls, held)
        if len(parts) > 1:
            _give(obj, parts[1])
        return obj

    return WireType(cls, tag or tag_of(cls), dump, load)


def _attributes_type(cls: Any, tag: str, needed: tuple[str, type] | None) -> WireType:
    slots = slots_of(cls)

    def load(parts: list[Any]) -> Any:
        obj = cls.__new__(cls)
        if needed is not None and (type(parts[0]) is not dict or type(parts[0].get(needed[0])) is not needed[1]):
            raise Misfit(f"without its {needed[0]}")
        _give(obj, parts[0] if parts else None)
        return obj

    return WireType(cls, tag, lambda obj: [_attributes(obj, slots)], load)


def slots_of(cls: type) -> tuple[str, ...]:
    """Names of the attributes that have a place of their own (`__slots__`) in objects of `cls`, bases first."""
    found: dict[str, None] = {}
    for part in reversed(cls.__mro__):
        names = part.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name not in ("__dict__", "__weakref__"):
                private = name.startswith("__") and not name.endswith("__")
                found[f"_{part.__name__.lstrip('_')}{name}" if private else name] = None
    return tuple(found)


def _attributes(obj: Any, slots: tuple[str, ...]) -> dict[str, Any]:
    attributes = dict(getattr(obj, "__dict__", ()))
    for name in slots:
        try:
            attributes[name] = object.__getattribute__(obj, name)
        except AttributeError:
            continue  # nothing was put there
    return attributes


def _give(obj: Any, attributes: Any) -> None:
    if type(attributes) is not dict or any(type(name) is not str for name in attributes):
        raise Misfit("not attributes by name")
    for name, value in attributes.items():
        try:
            _set(obj, name, value)
        except (AttributeError, TypeError) as exc:
            raise Misfit(name) from exc
