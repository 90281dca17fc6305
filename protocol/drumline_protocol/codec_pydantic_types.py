"""Pydantic's own types that people keep in a state: secrets, URLs and a few more, under tags `pydantic:...`.

A secret crosses with its text, so it stands in the broker's memory. Here it only ever is inside of pydantic's object,
which hides it: no text, path or error of ours shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pydantic_core
from pydantic import networks

from drumline_protocol.codec_types import TypeTable, WireType

#: what tags of this table begin with
PREFIX = "pydantic:"


def pydantic_types() -> TypeTable:
    """The table."""
    return TypeTable(_entries())


def _entries() -> Iterator[WireType]:
    yield _secret(pydantic.SecretStr, str)
    yield _secret(pydantic.SecretBytes, bytes)
    secret = getattr(pydantic, "Secret", None)
    if secret is not None:
        yield _secret(secret, object)
    yield _of_text(pydantic_core.Url, "Url", pydantic_core.Url)
    yield _of_text(pydantic_core.MultiHostUrl, "MultiHostUrl", pydantic_core.MultiHostUrl)
    for name in networks.__all__:
        cls = getattr(networks, name, None)
        # up to pydantic 2.9 these names are pydantic_core's classes with an annotation around them
        if isinstance(cls, type) and hasattr(cls, "unicode_string") and cls.__module__ == networks.__name__:
            yield _of_text(cls, name, cls)
    yield WireType(pydantic.NameEmail, f"{PREFIX}NameEmail", lambda obj: [obj.name, obj.email], _name_email)
    yield WireType(pydantic.ByteSize, f"{PREFIX}ByteSize", lambda obj: [int.__int__(obj)], _byte_size)
    yield WireType(
        type(pydantic_core.PydanticUndefined),
        f"{PREFIX}PydanticUndefined",
        lambda _obj: [None],
        lambda _parts: pydantic_core.PydanticUndefined,
    )


def _one(parts: list[Any], kind: type) -> Any:
    """The only part. What is wrong with it is not told: it may be a secret."""
    if len(parts) != 1 or not isinstance(parts[0], kind):
        raise ValueError("not what such an object is made of")
    return parts[0]


def _secret(cls: Any, kind: type) -> WireType:
    return WireType(
        cls, PREFIX + cls.__name__, lambda obj: [obj.get_secret_value()], lambda parts: cls(_one(parts, kind))
    )


def _of_text(cls: Any, name: str, read: Callable[[str], Any]) -> WireType:
    return WireType(cls, PREFIX + name, lambda obj: [str(obj)], lambda parts: read(_one(parts, str)))


def _name_email(parts: list[Any]) -> Any:
    name, email = parts
    if type(name) is not str or type(email) is not str:
        raise ValueError("not a name and an address")
    return pydantic.NameEmail(name, email)


def _byte_size(parts: list[Any]) -> Any:
    return int.__new__(pydantic.ByteSize, _one(parts, int))
