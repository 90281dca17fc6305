"""Namespaces and keys of a store as bytes, so that one namespace is below another exactly if its bytes begin so. Pure.

Each label is followed by `/`; `%` and `/` inside of one are written `%25` and `%2F`. So `("a",)` is `a/` and not a
beginning of `("ab",)`, which is `ab/`; an empty label is a `/` of its own; nothing else has a meaning, neither to Redis
nor to SQL.
"""

from __future__ import annotations

from collections.abc import Sequence


def namespace_bytes(namespace: Sequence[str]) -> bytes:
    """The namespace as bytes; none for the root."""
    text = "".join(label.replace("%", "%25").replace("/", "%2F") + "/" for label in namespace)
    return key_bytes(text)


def namespace_of(data: bytes) -> tuple[str, ...]:
    """The namespace that `namespace_bytes` wrote."""
    labels = key_of(data).split("/")[:-1]
    return tuple(label.replace("%2F", "/").replace("%25", "%") for label in labels)


def key_bytes(key: str) -> bytes:
    """A key as bytes. Lone surrogates pass."""
    return key.encode("utf-8", "surrogatepass")


def key_of(data: bytes) -> str:
    """The key that `key_bytes` wrote."""
    return data.decode("utf-8", "surrogatepass")
