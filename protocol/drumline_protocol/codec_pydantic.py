"""How pydantic models cross the wire: as their fields, without validation. Imported once pydantic is.

A model comes back equal, with the same `model_fields_set`, extra and private attributes. Fields that were not set and
hold their plain default stay away, which keeps messages small. Cached properties stay behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticUndefined

from drumline_protocol.codec_types import Misfit, WireType

_SCALARS = (type(None), bool, int, float, str, bytes)
_EMPTY = (list, dict, set, tuple, frozenset, str, int, float, bytes, bool)
_set = object.__setattr__
_missing = object()


def _plain_defaults(fields: dict[str, Any]) -> dict[str, Any]:
    """Defaults that the reader may be trusted to have too: scalars and empty containers."""
    plain = {}
    for name, field in fields.items():
        if field.default_factory in _EMPTY:
            plain[name] = field.default_factory()
        elif field.default_factory is None and type(field.default) in _SCALARS:
            plain[name] = field.default
    return plain


def model_type(cls: Any, tag: str) -> WireType:
    """The wire type of the pydantic model class `cls`.

    Parts: the fields by name; then, if any of them is needed, names of fields that are there but were not set, extra
    attributes, private attributes.
    """
    fields: dict[str, Any] = dict(cls.model_fields)
    plain = _plain_defaults(fields)
    takes_extra = cls.model_config.get("extra") == "allow"
    privates: dict[str, Any] = dict(cls.__private_attributes__)

    # One turn for each field of each message: a token's way is mostly this loop and the one in `load`.
    def dump(obj: Any) -> list[Any]:
        chosen = obj.__pydantic_fields_set__
        values = {}
        unset = []
        for name, value in obj.__dict__.items():
            if name not in chosen:
                default = plain.get(name, _missing)
                if value is default or (type(value) is type(default) and value == default):
                    continue
                if name not in fields:  # a cached property
                    continue
                unset.append(name)
            values[name] = value
        extra = obj.__pydantic_extra__
        private = obj.__pydantic_private__
        if unset or extra or private:
            return [values, unset, extra or None, private or None]
        return [values]

    template = {name: plain.get(name) for name in fields}
    makers = [(name, type(value)) for name, value in plain.items() if type(value) not in _SCALARS]
    others = [(name, field) for name, field in fields.items() if name not in plain]

    def load(parts: list[Any]) -> Any:
        given, unset, extra, private = _parts(parts)
        values: dict[Any, Any] = {**template, **given}  # in the order of the fields
        if len(values) != len(template):  # fields that only the writer's version of the class knows
            given = {name: value for name, value in given.items() if name in template}
            values = {**template, **given}
        for name, make in makers:
            if name not in given:
                values[name] = make()
        for name, field in others:
            if name not in given:
                values[name] = _default(name, field)
        chosen = set(given)
        if unset:
            chosen.difference_update(unset)
        if extra and takes_extra:
            chosen.update(extra)
        obj = cls.__new__(cls)
        _set(obj, "__dict__", values)
        _set(obj, "__pydantic_fields_set__", chosen)
        _set(obj, "__pydantic_extra__", (extra or {}) if takes_extra else None)
        _set(obj, "__pydantic_private__", _private(privates, private) if privates else None)
        return obj

    return WireType(cls, tag, dump, load)


def _parts(parts: list[Any]) -> tuple[dict[Any, Any], Any, Any, Any]:
    if len(parts) == 1 and type(parts[0]) is dict:
        return parts[0], (), None, None
    if len(parts) < 4 or [type(part) for part in parts[:2]] != [dict, list]:
        raise Misfit("not the parts of a model")
    if any(part is not None and type(part) is not dict for part in parts[2:4]):
        raise Misfit("not the parts of a model")
    return parts[0], parts[1], parts[2], parts[3]


def _default(name: str, field: Any) -> Any:
    """What an absent field holds: its default, or `Misfit` if the class has come to require it."""
    if field.is_required():
        raise Misfit(name)
    try:
        return field.get_default(call_default_factory=True)
    except Exception as exc:
        raise Misfit(name) from exc


def _private(privates: dict[str, Callable[[], Any]], given: dict[str, Any] | None) -> dict[str, Any]:
    values = {}
    for name, attribute in privates.items():
        if given is not None and name in given:
            values[name] = given[name]
        else:
            default = attribute.get_default()  # type: ignore[attr-defined]
            if default is not PydanticUndefined:
                values[name] = default
    return values
