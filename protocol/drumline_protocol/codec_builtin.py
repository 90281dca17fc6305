"""The ext types of the wire format: Python's own types beyond what msgpack has, each under a code of its own.

A code, once given, keeps its meaning for ever; new types take new codes. `dump` gives the payload of an object, `load`
makes the object from a payload. Both get a function for what lies inside: `inner(value) -> bytes` and `inner(bytes) ->
value`.

Not exact by nature: time zones other than `timezone` and `ZoneInfo` come back as fixed offsets, which is the same
instant.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from msgpack import ExtType, Packer  # type: ignore[import-untyped]

from drumline_graph.frozen import Keys
from drumline_protocol.codec_count import check_hashes
from drumline_protocol.codec_types import Misfit
from drumline_protocol.limits import BIG_INT_BYTES_MAX, BLOB_ID_CHARS_MAX, DECIMAL_CHARS_MAX, EQUAL_HASHES_MAX

Pack = Callable[[Any], bytes]
Unpack = Callable[[bytes], Any]

TUPLE, SET, FROZENSET, BIG_INT, COMPLEX, DECIMAL, UUID_CODE = 1, 2, 3, 4, 5, 6, 7
DATE, TIME, DATETIME, TIMEDELTA, TIMEZONE, DEQUE, RANGE = 8, 9, 10, 11, 12, 13, 14
#: A class of a table: `[tag, fields, ...]`.
TAGGED = 32
#: A value that was encoded before (`Boxed`).
BOXED = 33
#: As TAGGED, of a class whose objects take long to build (a regular expression, a table of pandas).
SLOW = 34
#: The name of a value that lies elsewhere (`Named`).
NAMED_CODE = 35

_new = tuple.__new__
_MICROSECOND = timedelta(microseconds=1)
_PAIR = struct.Struct(">dd")

#: A time zone is looked up by name in the reader's own database, so the name must be no path.
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")

#: Parts of the database that its list of names leaves out.
_PART = re.compile(r"^(posix|right)/")


class Refused(ValueError):
    """An object of a known type that cannot be written as it is; its text says why, for the user."""


def ext(code: int, payload: bytes) -> Any:
    """A msgpack ext value, built without the checks of its constructor."""
    return _new(ExtType, (code, payload))


# -- containers ------------------------------------------------------------------------------------


def _dump_tuple(obj: tuple[Any, ...], inner: Pack) -> Any:
    return _new(ExtType, (TUPLE, inner(list(obj))))


def _members(obj: set[Any] | frozenset[Any], inner: Pack) -> bytes:
    # Sorted by their bytes: the order of a set differs between processes, and equal values should have equal bytes.
    if len(obj) > EQUAL_HASHES_MAX:
        check_hashes(obj)  # what is written must be readable
    header: bytes = Packer().pack_array_header(len(obj))
    return b"".join([header, *sorted(map(inner, obj))])


def _dump_set(obj: set[Any], inner: Pack) -> Any:
    return ext(SET, _members(obj, inner))


def _dump_frozenset(obj: frozenset[Any], inner: Pack) -> Any:
    return ext(FROZENSET, _members(obj, inner))


def _hashable(payload: bytes, inner: Unpack) -> list[Any]:
    members = _list(payload, inner)
    if len(members) > EQUAL_HASHES_MAX:
        check_hashes(members)
    return members


def _dump_deque(obj: deque[Any], inner: Pack) -> Any:
    return ext(DEQUE, inner([obj.maxlen, list(obj)]))


def _load_deque(payload: bytes, inner: Unpack) -> Any:
    maxlen, items = _shape(inner(payload), 2)
    if type(items) is not list or (maxlen is not None and type(maxlen) is not int):
        raise ValueError("not the parts of a deque")
    return deque(items, maxlen)


def _shape(value: Any, length: int) -> list[Any]:
    if type(value) is not list or len(value) != length:
        raise ValueError(f"not a list of {length}")
    return value


def _list(payload: bytes, inner: Unpack) -> list[Any]:
    value = inner(payload)
    if type(value) is not list:
        raise ValueError("not a list of members")
    return value


def _load_range(payload: bytes, inner: Unpack) -> Any:
    parts = _shape(inner(payload), 3)
    if any(type(part) is not int for part in parts):
        raise ValueError("not the parts of a range")
    return range(*parts)


# -- numbers ---------------------------------------------------------------------------------------


def _dump_int(obj: int, _inner: Pack) -> Any:
    size = obj.bit_length() // 8 + 1
    if size > BIG_INT_BYTES_MAX:
        raise ValueError(f"an int of {size} bytes; the limit is {BIG_INT_BYTES_MAX}")
    return ext(BIG_INT, obj.to_bytes(size, "big", signed=True))


def _load_int(payload: bytes, _inner: Unpack) -> Any:
    if len(payload) > BIG_INT_BYTES_MAX:
        raise ValueError(f"an int of {len(payload)} bytes")
    return int.from_bytes(payload, "big", signed=True)


def _dump_decimal(obj: Decimal, _inner: Pack) -> Any:
    text = str(obj)
    if len(text) > DECIMAL_CHARS_MAX:
        raise ValueError(f"a Decimal of {len(text)} characters; the limit is {DECIMAL_CHARS_MAX}")
    return ext(DECIMAL, text.encode())


def _load_decimal(payload: bytes, _inner: Unpack) -> Any:
    if len(payload) > DECIMAL_CHARS_MAX:
        raise ValueError(f"a Decimal of {len(payload)} characters")
    return Decimal(payload.decode("ascii"))


# -- dates and times -------------------------------------------------------------------------------


def _zone_fields(zone: tzinfo | None, offset: timedelta | None) -> Any:
    """A time zone as data: None, a name, or `[microseconds from UTC, name or None]`."""
    if zone is None:
        return None
    if type(zone) is timezone:
        parts: tuple[Any, ...] = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [parts[0] // _MICROSECOND, parts[1] if len(parts) > 1 else None]
    key = getattr(zone, "key", None)
    if type(zone).__module__.startswith("zoneinfo") and type(key) is str:
        return key
    if offset is None:
        raise ValueError(f"a time zone of type {type(zone).__qualname__} without a fixed offset")
    return [offset // _MICROSECOND, None]


def _zone(fields: Any) -> tzinfo | None:
    if fields is None:
        return None
    if type(fields) is str:
        if not _ZONE_NAME.fullmatch(fields):
            raise ValueError("not the name of a time zone")
        from zoneinfo import ZoneInfo

        if _PART.sub("", fields) not in _zone_names():
            raise Misfit(fields)
        try:
            return ZoneInfo(fields)
        except Exception as exc:
            raise Misfit(fields) from exc
    micros, name = _shape(fields, 2)
    if type(micros) is not int or not (name is None or type(name) is str):
        raise ValueError("not the parts of a time zone")
    offset = timedelta(microseconds=micros)
    return timezone(offset) if name is None else timezone(offset, name)


@cache
def _zone_names() -> set[str]:
    # Looking for a zone that is not there takes a hundred microseconds, and bytes may name many.
    from zoneinfo import available_timezones

    return available_timezones()


def _dump_datetime(obj: datetime, inner: Pack) -> Any:
    zone = _zone_fields(obj.tzinfo, obj.utcoffset())
    return ext(DATETIME, inner([obj.replace(tzinfo=None).isoformat(), obj.fold, zone]))


def _load_datetime(payload: bytes, inner: Unpack) -> Any:
    text, fold, zone = _shape(inner(payload), 3)
    return datetime.fromisoformat(text).replace(tzinfo=_zone(zone), fold=fold)


def _dump_time(obj: time, inner: Pack) -> Any:
    zone = _zone_fields(obj.tzinfo, obj.utcoffset())
    return ext(TIME, inner([obj.replace(tzinfo=None).isoformat(), obj.fold, zone]))


def _load_time(payload: bytes, inner: Unpack) -> Any:
    text, fold, zone = _shape(inner(payload), 3)
    return time.fromisoformat(text).replace(tzinfo=_zone(zone), fold=fold)


def _dump_date(obj: date, _inner: Pack) -> Any:
    return ext(DATE, obj.isoformat().encode())


def _load_date(payload: bytes, _inner: Unpack) -> Any:
    return date.fromisoformat(payload.decode("ascii"))


def _dump_timedelta(obj: timedelta, inner: Pack) -> Any:
    return ext(TIMEDELTA, inner([obj.days, obj.seconds, obj.microseconds]))


def _load_timedelta(payload: bytes, inner: Unpack) -> Any:
    days, seconds, microseconds = _shape(inner(payload), 3)
    return timedelta(days, seconds, microseconds)


def dump_zone(obj: tzinfo, inner: Pack) -> Any:
    """A time zone that stands by itself: a `timezone` or a `ZoneInfo`."""
    return ext(TIMEZONE, inner(_zone_fields(obj, obj.utcoffset(None))))


# -- names of values ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """Stands for the value whose bytes, `size` of them, lie in the blob `blob` (`drumline_protocol.named`)."""

    blob: str
    size: int


def _load_named(payload: bytes, inner: Unpack) -> Any:
    blob, size = _shape(inner(payload), 2)
    if type(blob) is not str or not 0 < len(blob) <= BLOB_ID_CHARS_MAX or type(size) is not int or size < 0:
        raise ValueError("not the name of a value")
    return Named(blob, size)


# -- the two tables --------------------------------------------------------------------------------

DUMPERS: dict[type, Callable[[Any, Pack], Any]] = {
    tuple: _dump_tuple,
    set: _dump_set,
    frozenset: _dump_frozenset,
    int: _dump_int,  # msgpack asks for those that do not fit into 64 bits
    complex: lambda obj, _inner: ext(COMPLEX, _PAIR.pack(obj.real, obj.imag)),
    Decimal: _dump_decimal,
    UUID: lambda obj, _inner: ext(UUID_CODE, obj.bytes),
    date: _dump_date,
    time: _dump_time,
    datetime: _dump_datetime,
    timedelta: _dump_timedelta,
    timezone: dump_zone,
    deque: _dump_deque,
    range: lambda obj, inner: ext(RANGE, inner([obj.start, obj.stop, obj.step])),
    Keys: lambda obj, _inner: list(obj),  # of a compiled graph: a plain list to whoever reads it
    Named: lambda obj, inner: ext(NAMED_CODE, inner([obj.blob, obj.size])),
}

LOADERS: dict[int, Callable[[bytes, Unpack], Any]] = {
    TUPLE: lambda payload, inner: tuple(_list(payload, inner)),
    SET: lambda payload, inner: set(_hashable(payload, inner)),
    FROZENSET: lambda payload, inner: frozenset(_hashable(payload, inner)),
    BIG_INT: _load_int,
    COMPLEX: lambda payload, _inner: complex(*_PAIR.unpack(payload)),
    DECIMAL: _load_decimal,
    UUID_CODE: lambda payload, _inner: UUID(bytes=payload),
    DATE: _load_date,
    TIME: _load_time,
    DATETIME: _load_datetime,
    TIMEDELTA: _load_timedelta,
    TIMEZONE: lambda payload, inner: _zone(inner(payload)),
    DEQUE: _load_deque,
    RANGE: _load_range,
    NAMED_CODE: _load_named,
}

#: What an ext value of a code counts as, where that is not one.
WEIGHTS = {TAGGED: 2, SLOW: 64}

#: Codes whose payload is a value in this format: what lies inside it counts. 36 and 37 are those of `codec_derived`.
NESTED = frozenset(
    {TUPLE, SET, FROZENSET, DATETIME, TIME, TIMEDELTA, TIMEZONE, DEQUE, RANGE, TAGGED, SLOW, NAMED_CODE, 36, 37}
)

#: Names of the codes, for the tag of an `Opaque`.
NAMES = {
    DATETIME: "datetime",
    TIME: "time",
    TIMEZONE: "timezone",
}
