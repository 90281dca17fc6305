"""Any value of a run as JSON, by one table: that of `dumps`. Pure, and never raises.

What is plain goes through the standard library's encoder in C, which asks `_simpler` for all else. What it refuses is
taken apart value by value: NaN, a container inside itself, a key that is no text, half of a surrogate pair.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import json
import math
import pathlib
import re
import uuid
from collections import deque
from collections.abc import Mapping, Set
from typing import Any

from drumline.cli.jsonable import safe_repr
from drumline_graph.loaded import loaded
from drumline_graph.types import Interrupt, Send
from drumline_protocol.errors import RemoteError

#: marks an object that stands for a value which JSON has no form for; beside it stands the value's repr
TYPE_KEY, REPR_KEY = "__type__", "__repr__"

#: containers inside one another that are shown; what lies deeper is shown by its repr
DEPTH_MAX = 100
#: a repr that stands for a value is cut there
REPR_MAX = 2000

_SURROGATES = re.compile("[\ud800-\udfff]")
_TEXTS = (
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath),
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
)


def dumps(value: Any) -> bytes:
    """`value` as JSON in UTF-8: one line, without spaces to spare. Never raises; holds no NaN and no NUL byte.

    Messages, pydantic models and dataclasses are objects of their fields, an enum is its value, times are ISO 8601,
    bytes base64, sets, tuples, deques and arrays lists; decimals, UUIDs and paths are text. NaN and the infinities are
    null, half of a surrogate pair is U+FFFD. A value of a class that is not known here (`Opaque`) is an object of its
    fields, an exception `{"error", "message"}`. Anything else is `{"__type__": its class, "__repr__": its repr}`.
    """
    try:
        return _encode(value)
    except Exception:  # something in it: find what, and spare the rest
        try:
            return _encode(_tame(value, ()))
        except Exception:
            return _encode(_standing_for(value))


def plain(value: Any) -> Any:
    """What a reader of `dumps(value)` gets: dicts, lists, text, numbers, True, False and None."""
    return json.loads(dumps(value))


def interrupt(asked: Any) -> dict[str, Any]:
    """A question as clients know it: `{"value", "id"}`, and `response_schema` as JSON schema if it has one.

    `asked` is an Interrupt, or a dict of its fields as events of tasks have it.
    """
    if isinstance(asked, Mapping):
        value, id_, schema = asked.get("value"), asked.get("id"), asked.get("response_schema")
    else:
        value, id_, schema = asked.value, asked.id, asked.response_schema
    shown: dict[str, Any] = {"value": plain(value), "id": str(id_)}
    if schema is not None:
        shown["response_schema"] = _json_schema(schema)
    return shown


def error_data(error: BaseException) -> dict[str, Any]:
    """An exception as clients know it. One that could not be rebuilt here has the class and the text that it had."""
    if isinstance(error, RemoteError):
        return {"error": _clean(error.class_name), "message": _clean(error.message)}
    try:
        text = str(error)
    except Exception:
        text = safe_repr(error)
    return {"error": type(error).__name__, "message": _clean(text)}


def _encode(value: Any) -> bytes:
    """ValueError, TypeError, RecursionError or what user code raises, for a value that must be taken apart."""
    # Without ASCII escapes half of a surrogate pair cannot be encoded, and so is noticed.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_simpler).encode()


def _simpler(value: Any) -> Any:
    """One value that the encoder does not know, in terms of simpler ones."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Interrupt):
        return interrupt(value)
    if isinstance(value, Set):
        return _in_order(value)
    if isinstance(value, deque):
        return list(value)
    if isinstance(value, BaseException):
        return error_data(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return _fields(value)


def _in_order(value: Set[Any]) -> list[Any]:
    """A set as a list that is the same in every process: text has another hash in each."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=dumps)


def _fields(value: Any) -> Any:
    """The fields of an object; what stands for it if it has none."""
    pydantic, codec_types = loaded("pydantic"), loaded("drumline_protocol.codec_types")
    if codec_types is not None and isinstance(value, codec_types.Opaque):
        return value.fields
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return value.model_dump(warnings=False)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Send):
        return {"node": value.node, "input": value.arg}
    if isinstance(value, Mapping):
        return dict(value)
    if pydantic is not None and isinstance(value, (pydantic.SecretStr, pydantic.SecretBytes)):
        return str(value)
    if pydantic is not None and isinstance(value, pydantic.AnyUrl):
        return str(value)
    listed = _listed(value)
    return _standing_for(value) if listed is None else listed


def _listed(value: Any) -> Any:
    """Arrays and scalars of numpy, tables of pandas, named tuples of attrs: as lists, numbers, objects."""
    numpy, pandas, attr = loaded("numpy"), loaded("pandas"), loaded("attr")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist() if value.dtype.kind in "biufUOSV" else value.astype(str).tolist()
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return value.to_dict(orient="records")
    if pandas is not None and isinstance(value, (pandas.Series, pandas.Index)):
        return value.tolist()
    if attr is not None and attr.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attr.fields(type(value))}
    return None


def _standing_for(value: Any) -> dict[str, str]:
    kind = value if isinstance(value, type) else type(value)
    return {
        TYPE_KEY: _clean(f"{kind.__module__}.{kind.__qualname__}"),
        REPR_KEY: _clean(safe_repr(value)[:REPR_MAX]),
    }


def _json_schema(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return plain(schema)
    try:
        from pydantic import TypeAdapter

        return plain(TypeAdapter(schema).json_schema())
    except Exception:  # a class that pydantic knows no schema for
        return _standing_for(schema)


# -- value by value ------------------------------------------------------------------------------------


def _tame(value: Any, above: tuple[int, ...]) -> Any:
    """`value` made of parts that the encoder takes, each by itself. `above`: the containers that it lies in."""
    if isinstance(value, enum.Enum):
        return _tame(value.value, above) if value.value is not value else _standing_for(value)
    if isinstance(value, str):
        return _clean(str.__str__(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return _number(int(value))
    if id(value) in above or len(above) >= DEPTH_MAX:
        return _standing_for(value)
    above = (*above, id(value))
    try:
        if isinstance(value, dict):
            return {_key(key): _tame(item, above) for key, item in list(value.items())}
        if isinstance(value, (list, tuple)):
            return [_tame(item, above) for item in value]
        return _tame(_simpler(value), above)
    except Exception:  # its own code raised
        return _standing_for(value)


def _number(value: int) -> Any:
    try:
        str(value)
        return value
    except ValueError:  # more digits than Python writes
        return {TYPE_KEY: "int", REPR_KEY: f"{value:#x}"[:REPR_MAX]}


def _key(key: Any) -> str:
    """A key as text: what the encoder makes of it, if it takes it as one."""
    try:
        if isinstance(key, enum.Enum):
            key = key.value
        if isinstance(key, str):
            return _clean(key)
        if key is None or isinstance(key, (bool, int, float)):
            return str(next(iter(json.loads(json.dumps({key: None})))))
        simple = _simpler(key)
        if isinstance(simple, str):
            return _clean(simple)
        return _clean(safe_repr(key)[:REPR_MAX])
    except Exception:
        return _clean(safe_repr(key)[:REPR_MAX])


def _clean(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair."""
    return _SURROGATES.sub("\ufffd", text)
