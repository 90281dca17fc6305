"""Types of the standard library that people keep in a state: a closed table, under tags that begin with `python:`.

Imported when the first object, or the first tag, of such a type comes: some of their modules are slow to import.
"""

from __future__ import annotations

import array
import http
import ipaddress
import pathlib
import re
import signal
import types
import urllib.parse
import uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

from drumline_protocol.codec_builtin import Refused
from drumline_protocol.codec_subclass import subclass_type
from drumline_protocol.codec_types import Misfit, TypeTable, WireType, structure
from drumline_protocol.limits import PATTERN_CHARS_MAX

#: what tags of this table begin with
PREFIX = "python:"

_EXTENDED: tuple[type, ...] = (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    bytearray,
    defaultdict,
    types.SimpleNamespace,
)

#: Enums and named tuples: those that are in the Python that runs
_STRUCTURED = tuple(
    found
    for found in (
        getattr(http, "HTTPMethod", None),
        http.HTTPStatus,
        re.RegexFlag,
        signal.Handlers,
        signal.Signals,
        urllib.parse.DefragResult,
        urllib.parse.DefragResultBytes,
        urllib.parse.ParseResult,
        urllib.parse.ParseResultBytes,
        urllib.parse.SplitResult,
        urllib.parse.SplitResultBytes,
        uuid.SafeUUID,
    )
    if found is not None
)

struct_time: Any = type(date(2000, 1, 1).timetuple())  # of `time`, which pure code does not import

_PATHS = (
    pathlib.PosixPath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
)

_ADDRESSES: tuple[Any, ...] = (
    ipaddress.IPv4Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Interface,
    ipaddress.IPv6Network,
)


def python_types() -> TypeTable:
    """The table."""
    return TypeTable(_entries())


def _entries() -> Iterator[WireType]:
    for cls in _EXTENDED:
        yield _there(subclass_type(cls, PREFIX + cls.__name__))
    for cls in _STRUCTURED:
        yield _there(structure(cls, PREFIX + cls.__name__))
    for cls in _PATHS:
        yield _of_text(cls, str, cls)
    for cls in _ADDRESSES:
        yield _of_text(cls, str, cls)
    yield _type(Fraction, lambda obj: [obj.numerator, obj.denominator], _fraction)
    yield _type(re.Pattern, _pattern_parts, _pattern, "re.Pattern")
    yield _type(
        types.MappingProxyType,
        lambda obj: [dict(obj)],
        lambda parts: types.MappingProxyType(_only(parts, dict)),
        "MappingProxyType",
    )
    yield _type(slice, lambda obj: [obj.start, obj.stop, obj.step], lambda parts: slice(*_count(parts, 3)))
    yield _type(array.array, lambda obj: [obj.typecode, obj.itemsize, _swapped(obj).tobytes()], _array)
    yield _type(memoryview, _view_parts, _view)
    yield _type(struct_time, _struct_time_parts, _struct_time)
    yield _type(type(...), lambda _obj: [None], lambda _parts: ...)
    yield _type(type(NotImplemented), lambda _obj: [None], lambda _parts: NotImplemented)


def _there(found: WireType | None) -> WireType:
    assert found is not None
    return found


def _type(
    cls: Any, dump: Callable[[Any], list[Any]], load: Callable[[list[Any]], Any], name: str | None = None
) -> WireType:
    return WireType(cls, PREFIX + (name or cls.__name__), dump, load)


def _of_text(cls: Any, write: Callable[[Any], str], read: Callable[[str], Any]) -> WireType:
    """A class whose objects are made of a text."""

    def load(parts: list[Any]) -> Any:
        text = _only(parts, str)
        try:
            return read(text)
        except NotImplementedError as exc:  # a path of another system
            raise Misfit(text) from exc

    return _type(cls, lambda obj: [write(obj)], load)


def _only(parts: list[Any], kind: type) -> Any:
    if len(parts) != 1 or type(parts[0]) is not kind:
        raise ValueError(f"not one {kind.__name__}")
    return parts[0]


def _count(parts: Iterable[Any], count: int) -> list[Any]:
    found = list(parts)
    if len(found) != count:
        raise ValueError(f"not {count} parts")
    return found


def _fraction(parts: list[Any]) -> Fraction:
    if len(parts) != 2 or type(parts[0]) is not int or type(parts[1]) is not int:
        raise ValueError("not two numbers")
    return Fraction(parts[0], parts[1])


def _pattern_parts(obj: re.Pattern[Any]) -> list[Any]:
    if len(obj.pattern) > PATTERN_CHARS_MAX:
        raise Refused(f"a pattern of {len(obj.pattern)} characters; the limit is {PATTERN_CHARS_MAX}")
    return [obj.pattern, obj.flags]


def _pattern(parts: list[Any]) -> re.Pattern[Any]:
    text, flags = _count(parts, 2)
    if type(text) not in (str, bytes) or type(flags) is not int or len(text) > PATTERN_CHARS_MAX:
        raise ValueError("not a pattern and its flags")
    return re.compile(text, flags & ~(re.DEBUG | 1))  # which print, or warn


def _swapped(obj: array.array[Any]) -> array.array[Any]:
    """Little-endian, whatever the machine is."""
    import sys

    if sys.byteorder == "big":
        obj = obj[:]
        obj.byteswap()
    return obj


def _array(parts: list[Any]) -> array.array[Any]:
    code, size, data = _count(parts, 3)
    if type(code) is not str or code not in array.typecodes or type(data) is not bytes:
        raise ValueError("not the parts of an array")
    made = array.array(code)
    if made.itemsize != size:
        raise Misfit(code)  # of a machine whose numbers are of another size
    made.frombytes(data)
    return _swapped(made)


def _view_parts(obj: memoryview) -> list[Any]:
    if obj.format.lstrip("@") not in tuple("cbB?hHiIlLqQnNfd"):
        raise Refused(f"a memoryview of format {obj.format!r}: give its bytes")
    return [obj.tobytes(), obj.format, obj.itemsize, list(obj.shape or ()), obj.readonly]


def _view(parts: list[Any]) -> memoryview:
    data, form, size, shape, readonly = _count(parts, 5)
    if type(data) is not bytes or type(form) is not str or type(shape) is not list:
        raise ValueError("not the parts of a memoryview")
    view = memoryview(data if readonly else bytearray(data))
    if form == "B" and len(shape) == 1:
        return view
    if 0 in shape:
        raise Refused("a memoryview of nothing in several dimensions")
    made: memoryview = view.cast(form, shape) if form != "B" else view.cast("c").cast(form, shape)  # type: ignore[call-overload]
    if made.itemsize != size:
        raise Misfit(form)
    return made


def _struct_time_parts(obj: Any) -> list[Any]:
    return [list(obj), obj.tm_zone, obj.tm_gmtoff]


def _struct_time(parts: list[Any]) -> Any:
    numbers, zone, offset = _count(parts, 3)
    if type(numbers) is not list or len(numbers) != 9 or any(type(number) is not int for number in numbers):
        raise ValueError("not the parts of a struct_time")
    return struct_time([*numbers, zone, offset])
