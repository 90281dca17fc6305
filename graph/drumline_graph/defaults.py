"""Default values that a schema class gives its fields, and those of them that no node ever sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from drumline_graph.channels import Channel
from drumline_graph.channels.base import MISSING
from drumline_graph.schema import is_pydantic


def default_of(schema: Any, key: str) -> Any:
    """The default of a field of a schema class, made if it has a factory; MISSING if there is none."""
    if is_pydantic(schema):
        field = schema.model_fields.get(key)
        if field is None or field.is_required():
            return MISSING
        return _made(lambda: field.get_default(call_default_factory=True))
    if dataclasses.is_dataclass(schema):
        return _of_dataclass(schema, key)
    return vars(schema).get(key, MISSING) if isinstance(schema, type) else MISSING


def _of_dataclass(schema: Any, key: str) -> Any:
    for field in dataclasses.fields(schema):
        if field.name == key:
            if field.default_factory is not dataclasses.MISSING:
                return _made(field.default_factory)
            return MISSING if field.default is dataclasses.MISSING else field.default
    return MISSING


def _made(factory: Any) -> Any:
    try:
        return factory()
    except Exception:  # the user's code, which may need what is not there yet
        return MISSING


def unseen_defaults(schema: Any, keys: Iterable[str], channels: Mapping[str, Channel]) -> dict[str, str]:
    """Keys whose default counts for nothing where the input is a dict, each with the reason.

    A class whose instances nodes are given fills in its defaults; but a key with a reducer has a value from the start,
    the empty one of its type. A TypedDict, or a class without fields of its own, is never built.
    """
    builds = is_pydantic(schema) or dataclasses.is_dataclass(schema)
    unseen: dict[str, str] = {}
    for key in keys:
        channel = channels.get(key)
        default = default_of(schema, key)
        if channel is None or default is MISSING:
            continue
        begins = channel.initial()
        if not builds:
            unseen[key] = "nodes are given a dict, of what was written"
        elif begins is not MISSING and not _equal(default, channel.read(begins)):
            unseen[key] = f"a key with a reducer begins with the empty value of its type, {channel.read(begins)!r}"
    return unseen


def _equal(left: Any, right: Any) -> bool:
    try:
        return type(left) is type(right) and bool(left == right)
    except Exception:  # arrays, and whatever a user's class does
        return False
