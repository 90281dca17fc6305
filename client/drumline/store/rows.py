"""Items as a store outside of this process keeps them: values by drumline's codec, vectors as 32-bit floats. Pure."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from drumline.store.base.items import Item, SearchItem
from drumline.store.ranking import Vector
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def codec_of(types: Iterable[type]) -> Codec:
    """The codec of a store whose values hold, beside plain data, objects of these classes."""
    return Codec(TypeTable().with_types(types))


def time_of(us: int) -> datetime:
    """Microseconds since the epoch as a time with zone."""
    return _EPOCH + timedelta(microseconds=us)


def item_of(namespace: tuple[str, ...], key: str, value: Any, created: int, updated: int) -> Item:
    """An item; its times in microseconds."""
    return Item(value=value, key=key, namespace=namespace, created_at=time_of(created), updated_at=time_of(updated))


def found_item(item: Item) -> SearchItem:
    """The same item as a search gives it."""
    return SearchItem(item.namespace, item.key, item.value, item.created_at, item.updated_at)


def vectors_bytes(vectors: Sequence[Vector]) -> bytes:
    """Vectors as bytes: of each its length, and 32-bit floats. Empty for none."""
    parts = []
    for vector in vectors:
        floats = array("f", vector)
        if sys.byteorder == "big":
            floats.byteswap()
        parts += [len(floats).to_bytes(4, "little"), floats.tobytes()]
    return b"".join(parts)


def vectors_of(data: bytes | None) -> list[Vector]:
    """The vectors that `vectors_bytes` wrote. ValueError for other bytes."""
    vectors: list[Vector] = []
    at, data = 0, data or b""
    while at < len(data):
        end = at + 4 + 4 * int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            raise ValueError("the vectors of an item are damaged: put the item again")
        floats = array("f", data[at + 4 : end])
        if sys.byteorder == "big":
            floats.byteswap()
        vectors.append(floats)
        at = end
    return vectors
