"""How classes of one name are told apart on the wire.

Two calls of a factory, or of `create_model`, make two classes with one module and one qualified name. In a table that
holds both, each has a tag of its own: behind a `#` stands a digest of its fields, which is the same in every process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from drumline_graph.annotations import hints_of
from drumline_graph.fingerprint import type_text

if TYPE_CHECKING:
    from drumline_protocol.codec_types import WireType

Make = Callable[[Any, "str | None"], "WireType | None"]


def digest_of(cls: Any) -> str:
    """A short digest of the names and annotations of a class's fields, or of an Enum's members."""
    shown = tuple(_fields(cls))
    return hashlib.blake2b(repr(shown).encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _fields(cls: Any) -> list[tuple[str, str]]:
    members = getattr(cls, "__members__", None)
    if members is not None:
        return [(name, "") for name in members]
    models = getattr(cls, "model_fields", None)
    if models is not None:
        return [(name, type_text(info.annotation)) for name, info in models.items()]
    names = getattr(cls, "__dataclass_fields__", None) or getattr(cls, "_fields", None)
    if names is None:
        names = [item.name for item in getattr(cls, "__attrs_attrs__", ())]
    hints = hints_of(cls)
    return [(name, type_text(hints.get(name))) for name in names]


def apart(types: Sequence[WireType], make: Make) -> list[WireType]:
    """The same types in their order; those that share a tag each with a tag of its own, made by `make(cls, tag)`."""
    count: dict[str, int] = {}
    for wire_type in types:
        count[wire_type.tag] = count.get(wire_type.tag, 0) + 1
    taken: dict[str, int] = {}
    found: list[WireType] = []
    for wire_type in types:
        tag = wire_type.tag
        if count[tag] > 1:
            tag = f"{tag}#{digest_of(wire_type.cls)}"
            taken[tag] = number = taken.get(tag, 0) + 1
            again = make(wire_type.cls, tag if number == 1 else f"{tag}.{number}")
            wire_type = wire_type if again is None else again
        found.append(wire_type)
    return found
