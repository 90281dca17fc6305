"""`BaseCache`: the interface of every cache (LangGraph's `langgraph.cache.base`), and how values become bytes."""

from __future__ import annotations

import asyncio
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from drumline_graph.warnings import RunWarning
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import DecodeError, EncodeError

__all__ = ["BaseCache", "CodecSerde", "FullKey", "Namespace", "Serde", "ValueT"]

log = logging.getLogger("drumline.cache")

ValueT = TypeVar("ValueT")
Namespace = tuple[str, ...]
FullKey = tuple[Namespace, str]


class Serde(Protocol):
    """Values to bytes with the name of a format, and back. LangGraph's serializers have the same methods."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The format and the bytes of a value."""
        ...

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of such a pair."""
        ...


class CodecSerde:
    """drumline's codec as a `Serde`. `types` are classes that values may hold beside plain data."""

    def __init__(self, types: Sequence[type] = ()) -> None:
        self._codec = Codec(TypeTable().with_types(types))

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The bytes of a value. EncodeError for what the codec cannot write."""
        return "drumline", self._codec.encode(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of such bytes. DecodeError for others."""
        if data[0] != "drumline":
            raise DecodeError(f"the value was written as {data[0]!r}", len(data[1]))
        return self._codec.decode(data[1])


class BaseCache(ABC, Generic[ValueT]):
    """Values by namespace and key, each for a time (LangGraph's `BaseCache`).

    A cache may lose what it holds at any time. `serde` turns values into bytes, by default with drumline's codec. A
    subclass gives the sync methods; those for event loops run them in a thread.
    """

    serde: Serde = CodecSerde()

    def __init__(self, *, serde: Serde | None = None) -> None:
        self.serde = serde or self.serde
        self._told: set[Namespace] = set()

    @abstractmethod
    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The values that are there, by their keys."""

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The twin of `get` for an event loop."""
        return await asyncio.to_thread(self.get, keys)

    @abstractmethod
    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for so many seconds (None: for ever)."""

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """The twin of `set` for an event loop."""
        await asyncio.to_thread(self.set, pairs)

    @abstractmethod
    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget all values in these namespaces (None: in all)."""

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """The twin of `clear` for an event loop."""
        await asyncio.to_thread(self.clear, namespaces)

    # -- for subclasses -------------------------------------------------------------------------------

    def _written(
        self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]
    ) -> Iterator[tuple[Namespace, str, str, bytes, int | None]]:
        """Namespace, key, format, bytes and lifetime of each pair. One that cannot be written is left out, and the
        first of its namespace is warned of.
        """
        for (namespace, key), (value, ttl) in pairs.items():
            try:
                form, data = self.serde.dumps_typed(value)
            except EncodeError as error:
                self._warn(tuple(namespace), error)
                continue
            yield tuple(namespace), key, form, data, ttl

    def _warn(self, namespace: Namespace, error: EncodeError) -> None:
        if namespace not in self._told:
            self._told.add(namespace)
            warnings.warn(
                f"results in {namespace} are not cached: {error} Give the cache serde=CodecSerde([the class]), "
                "or return what can be written.",
                RunWarning,
                stacklevel=4,
            )

    def _read(self, namespace: Namespace, key: str, form: str, data: bytes) -> dict[FullKey, ValueT]:
        """The value of such bytes by its key; nothing if they cannot be read, as if they were not there."""
        try:
            return {(namespace, key): self.serde.loads_typed((form, data))}
        except DecodeError as error:
            log.warning("what is cached in %s cannot be read: %s", namespace, error)
            return {}
