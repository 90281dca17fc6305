"""Any stream item as JSON: for `--json`, where one line must always be one object. Pure."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from drumline_graph.loaded import loaded


def to_line(value: Any) -> str:
    """`value` as one line of JSON, without spaces to spare. Never raises: what JSON lacks is shown by its repr."""
    return json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":"))


def jsonable(value: Any) -> Any:
    """`value` made of what JSON has.

    Tuples and sets become lists; dataclasses, pydantic models, messages and values of classes that are not known here
    (`Opaque`) become objects of their fields; an enum its value; other things, NaN and infinities too, their repr.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return _plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    return _object(value)


def _plain(value: Any) -> Any:
    """Subclasses of int and str (enums, markup strings) without their class."""
    if value is None or type(value) in (bool, int, str):
        return value
    return str.__str__(value) if isinstance(value, str) else int(value)


def _object(value: Any) -> Any:
    codec_types = loaded("drumline_protocol.codec_types")
    if codec_types is not None and isinstance(value, codec_types.Opaque):
        return jsonable(value.fields)
    pydantic = loaded("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return {name: jsonable(item) for name, item in dict(value).items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return repr(value)
