"""numpy's arrays, scalars and dtypes on the wire, under tags `numpy:...`. Imported once numpy is.

An array travels as its dtype, its shape, its order in memory and its bytes; nothing is pickled. So arrays of objects
are refused: their bytes are addresses. What the bytes claim is compared with what is there before anything is
allocated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from drumline_protocol.codec_builtin import Refused
from drumline_protocol.codec_types import Misfit, TypeTable, WireType
from drumline_protocol.limits import ARRAY_DIMENSIONS_MAX, VALUE_BYTES_MAX, VALUE_ITEMS_MAX

#: what tags of this table begin with
PREFIX = "numpy:"

#: a dtype that consists of nothing but itself, as `dtype.str` tells it; never objects (`O`)
_SIMPLE = re.compile(r"[<>|=][biufcmMSUV?][0-9]{1,9}(\[[0-9]{0,9}[A-Za-z]{1,7}\])?")
_KINDS = frozenset("biufcmMSUV?")

_OBJECTS = (
    "an array of Python objects, whose bytes mean nothing elsewhere: give it a dtype of numbers or texts, or give its "
    "list (array.tolist())"
)


def numpy_types() -> TypeTable:
    """The table."""
    return TypeTable(_entries())


def _entries() -> Iterator[WireType]:
    yield WireType(np.ndarray, f"{PREFIX}ndarray", array_parts, array_of)
    yield WireType(np.matrix, f"{PREFIX}matrix", _matrix_parts, lambda parts: array_of(parts).view(np.matrix))
    yield WireType(np.recarray, f"{PREFIX}recarray", _record_parts, _record_array)
    yield WireType(np.ma.MaskedArray, f"{PREFIX}MaskedArray", _masked_parts, _masked)
    for cls in sorted(_scalars(), key=lambda cls: cls.__name__):
        yield _scalar_type(cls)
    for cls in {type(np.dtype(kind)) for kind in (*np.typecodes["All"], "M8[s]", "m8[s]", "f8,i4") if kind != "O"}:
        yield WireType(cls, f"{PREFIX}dtype.{cls.__name__}", lambda obj: [dtype_parts(obj)], _dtype_alone)


def _scalars() -> set[Any]:
    found = set(np.sctypeDict.values()) | {np.void, np.datetime64, np.timedelta64}
    return {cls for cls in found if cls is not np.object_}


# -- dtypes -------------------------------------------------------------------------------------------


def dtype_parts(dtype: Any) -> Any:
    """A dtype as data: a text; `[base, shape]` of a part that is an array; or the fields of a record."""
    if dtype.hasobject:
        raise Refused(_OBJECTS)
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [dtype_parts(base), list(shape)]
    if dtype.names is not None:
        fields = [dtype.fields[name] for name in dtype.names]
        titles = [field[2] if len(field) > 2 else None for field in fields]
        if not all(title is None or type(title) is str for title in titles):
            raise Refused("a dtype with a title that is no text")
        formats = [dtype_parts(field[0]) for field in fields]
        return [
            list(dtype.names),
            formats,
            [field[1] for field in fields],
            titles,
            dtype.itemsize,
            dtype.isalignedstruct,
        ]
    if dtype.kind not in _KINDS:
        raise Refused(f"an array of dtype {dtype!r}, whose bytes mean nothing elsewhere: give it as a list")
    return dtype.str


def dtype_of(parts: Any) -> Any:
    """The dtype that such data describes. ValueError if they do not describe one, or one of objects."""
    dtype = _dtype(parts)
    if dtype.hasobject:
        raise ValueError("a dtype of objects")
    return dtype


def _dtype(parts: Any) -> Any:
    if type(parts) is str:
        if not _SIMPLE.fullmatch(parts):
            raise ValueError("not a dtype")
        try:
            return np.dtype(parts)
        except TypeError as exc:  # numbers that this machine does not have
            raise Misfit(parts) from exc
    if type(parts) is not list or len(parts) not in (2, 6):
        raise ValueError("not the parts of a dtype")
    if len(parts) == 2:
        return np.dtype((_dtype(parts[0]), _shape(parts[1])))
    names, formats, offsets, titles, size, aligned = parts
    if not all(type(part) is list for part in (names, formats, offsets, titles)) or type(size) is not int:
        raise ValueError("not the fields of a dtype")
    spec: dict[str, Any] = {
        "names": names,
        "formats": [_dtype(part) for part in formats],
        "offsets": offsets,
        "itemsize": size,
    }
    if any(title is not None for title in titles):
        spec["titles"] = titles
    return np.dtype(spec, align=aligned is True)  # type: ignore[call-overload]


def _shape(shape: Any) -> tuple[int, ...]:
    if type(shape) is not list or len(shape) > ARRAY_DIMENSIONS_MAX:
        raise ValueError("not the shape of an array")
    if any(type(size) is not int or not 0 <= size < 2**62 for size in shape):
        raise ValueError("not the shape of an array")
    return tuple(shape)


def _dtype_alone(parts: list[Any]) -> Any:
    return dtype_of(parts[0])


# -- arrays -------------------------------------------------------------------------------------------


def array_parts(array: Any) -> list[Any]:
    """An array as data. Refused if it is one of objects, or more than a value may hold."""
    dtype = dtype_parts(array.dtype)
    if array.nbytes > VALUE_BYTES_MAX:
        raise Refused(f"an array of {array.nbytes} bytes; the limit is {VALUE_BYTES_MAX}")
    _check_empty_items(array.size, array.dtype.itemsize)
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return [dtype, list(array.shape), order, array.tobytes(order)]


def array_of(parts: list[Any]) -> Any:
    """The array that such data describes, in memory of its own."""
    if len(parts) != 4 or parts[2] not in ("C", "F") or type(parts[3]) is not bytes:
        raise ValueError("not the parts of an array")
    dtype, shape, data = dtype_of(parts[0]), _shape(parts[1]), parts[3]
    count = math.prod(shape)
    if count * dtype.itemsize != len(data):
        raise ValueError(f"an array of {count} items of {dtype.itemsize} bytes in {len(data)} bytes")
    _check_empty_items(count, dtype.itemsize)
    array: Any = np.empty(shape, dtype, order=parts[2])
    if data:
        flat = np.frombuffer(data, np.uint8)
        array.reshape(-1, order=parts[2]).view(np.uint8)[:] = flat
    return array


def _check_empty_items(count: int, size: int) -> None:
    """Items that take no bytes are bounded like those of a list."""
    if not size and count > VALUE_ITEMS_MAX:
        raise Refused(f"an array of {count} items; the limit is {VALUE_ITEMS_MAX}")


def _matrix_parts(array: Any) -> list[Any]:
    return array_parts(array.view(np.ndarray))


def _record_parts(array: Any) -> list[Any]:
    plain = array.view(np.ndarray)
    if plain.dtype.type is np.record:
        return [*array_parts(plain.view(np.dtype((np.void, plain.dtype)))), True]
    return [*array_parts(plain), False]


def _record_array(parts: list[Any]) -> Any:
    array = array_of(parts[:4])
    records = array.view(np.recarray)
    return records if parts[4] else records.view(np.dtype(array.dtype))


def _masked_parts(array: Any) -> list[Any]:
    mask = np.ma.getmask(array)
    hidden = None if mask is np.ma.nomask else array_parts(np.asarray(mask))
    return [array_parts(array.data.view(np.ndarray)), hidden, array.fill_value[()], bool(array.hardmask)]


def _masked(parts: list[Any]) -> Any:
    data, hidden, fill, hard = parts
    mask = np.ma.nomask if hidden is None else array_of(hidden)
    array: Any = np.ma.MaskedArray(array_of(data), mask=mask, hard_mask=hard is True)
    array.fill_value = fill
    return array


# -- scalars ------------------------------------------------------------------------------------------


def _scalar_type(cls: Any) -> WireType:
    tag = PREFIX + cls.__name__
    if issubclass(cls, (np.str_, np.bytes_)):  # a dtype would cut zeros off their end
        plain = str if issubclass(cls, np.str_) else bytes

        def load_text(parts: list[Any]) -> Any:
            if len(parts) != 1 or type(parts[0]) is not plain:
                raise ValueError("not a text")
            return cls(parts[0])

        return WireType(cls, tag, lambda obj: [plain.__getitem__(obj, slice(None))], load_text)

    def load(parts: list[Any]) -> Any:
        if len(parts) != 2 or type(parts[1]) is not bytes:
            raise ValueError("not the parts of a scalar")
        dtype = dtype_of(parts[0])
        if dtype.type is not cls or len(parts[1]) != dtype.itemsize:
            raise ValueError("not the parts of such a scalar")
        if not dtype.itemsize:
            return np.zeros((), dtype)[()]
        return np.frombuffer(bytearray(parts[1]), dtype)[0]

    return WireType(cls, tag, lambda obj: [dtype_parts(obj.dtype), obj.tobytes()], load)
