"""Any stream item as JSON: for `--json`, where one line must always be one object. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from drumline_graph.loaded import loaded

#: containers inside one another that are shown; what lies deeper is shown as text
_DEPTH_MAX = 100


def to_line(value: Any, *, ascii_only: bool = False) -> str:
    """`value` as one line of JSON, without spaces to spare. Never raises, and always has an encoding in UTF-8.

    Values look as pydantic writes them: tuples and sets as lists, models, dataclasses and messages as objects of their
    fields, an enum as its value, times and paths as text, bytes as base64, NaN and infinities as "NaN" and "Infinity".
    A value of a class that is not known here (`Opaque`) is an object of its fields; anything else is its repr. What
    JSON cannot hold is replaced by text: a container inside itself, half of a surrogate pair, a field that raises.
    """
    try:
        line = _written(value)
    except Exception:  # something in it: find what, and spare the rest
        line = _written(_tame(value, ()))
    return json.dumps(json.loads(line), separators=(",", ":")) if ascii_only else line


def safe_repr(value: Any) -> str:
    """`repr`, of values that may not have one."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _written(value: Any) -> str:
    return to_json(value, inf_nan_mode="strings", bytes_mode="base64", fallback=_fallback).decode()


def _fallback(value: Any) -> Any:
    codec_types = loaded("drumline_protocol.codec_types")
    if codec_types is not None and isinstance(value, codec_types.Opaque):
        return value.fields
    if isinstance(value, Mapping):
        return dict(value)
    return safe_repr(value)


def _tame(value: Any, above: tuple[int, ...]) -> Any:
    """`value` made of parts that can be written, each by itself. `above`: the containers that it lies in."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    parts = _parts(value)
    if parts is None:
        try:
            return json.loads(_written(value))
        except Exception:
            return _tame(safe_repr(value), above)
    if id(value) in above:
        return f"<the {type(value).__name__} that this lies in>"
    if len(above) >= _DEPTH_MAX:
        return "<deeper than is shown>"
    above = (*above, id(value))
    if isinstance(parts, Mapping):
        return {_key(key): _tame(item, above) for key, item in parts.items()}
    return [_tame(item, above) for item in parts]


def _parts(value: Any) -> Any:
    """What lies in a container, as a mapping or an iterable; None for other values, and for containers that raise."""
    try:
        pydantic, codec_types = loaded("pydantic"), loaded("drumline_protocol.codec_types")
        if codec_types is not None and isinstance(value, codec_types.Opaque):
            return [value.fields] if not isinstance(value.fields, Mapping) else value.fields
        if pydantic is not None and isinstance(value, pydantic.BaseModel):
            return dict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return dict(value)
        return list(value) if isinstance(value, (list, tuple, set, frozenset)) else None
    except Exception:
        return None


def _key(key: Any) -> str:
    """A key of a mapping as pydantic writes it; by its repr if it cannot."""
    try:
        return str(next(iter(json.loads(_written({key: None})))))
    except Exception:
        text = key if isinstance(key, str) else safe_repr(key)
        return text.encode("utf-8", "backslashreplace").decode()
