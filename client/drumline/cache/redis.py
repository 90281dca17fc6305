"""A cache in Redis or Valkey (LangGraph's `langgraph.cache.redis`), with plain commands: no module is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drumline.cache.base import BaseCache, FullKey, Namespace, Serde, ValueT, log
from drumline_protocol.errors import NoBroker
from drumline_protocol.store_names import key_bytes, namespace_bytes, namespace_of
from drumline_transport.errors import ServerError
from drumline_transport.redis_store import cache_line

__all__ = ["RedisCache"]

#: values that one call of the script forgets
_CLEAR_KEYS = 1000


class RedisCache(BaseCache[ValueT]):
    """Values in Redis, shared by all who name the same address and prefix.

    `redis` is an address as `Cluster` takes it, or a client of redis-py (not an async one, and without
    `decode_responses`). A Redis that cannot be reached, or takes no writes, is an empty cache: the log says so, and
    nothing is raised. All values lie in one slot of a Redis Cluster.
    """

    def __init__(self, redis: Any, *, serde: Serde | None = None, prefix: str = "drumline") -> None:
        super().__init__(serde=serde)
        self._line = cache_line(redis, prefix)

    def _call(self, *words: Any) -> Any:
        """The reply of the script; None if Redis cannot be asked."""
        try:
            return self._line.cache(words)
        except (NoBroker, ServerError) as error:
            log.warning("the cache is passed by: %s", error)
            return None

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The values that are there, by their keys."""
        if not keys:
            return {}
        words = [word for namespace, key in keys for word in (namespace_bytes(namespace), key_bytes(key))]
        found: dict[FullKey, ValueT] = {}
        replies: Sequence[Any] = self._call("get", *words) or ()
        for (namespace, key), packed in zip(keys, replies, strict=False):
            if packed is not None:
                form, _, data = packed.partition(b":")
                found |= self._read(tuple(namespace), key, form.decode("utf-8", "replace"), data)
        return found

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for so many seconds (None: for ever)."""
        words: list[Any] = []
        for namespace, key, form, data, ttl in self._written(pairs):
            ms = 0 if ttl is None else max(1, int(ttl * 1000))
            words += [namespace_bytes(namespace), key_bytes(key), form.encode() + b":" + data, ms]
        if words:
            self._call("set", *words)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget all values in these namespaces (None: in all)."""
        if namespaces is None:
            namespaces = [namespace_of(name) for name in self._call("spaces") or ()]
        for namespace in namespaces:
            while self._call("clear", namespace_bytes(namespace), _CLEAR_KEYS):
                pass

    def close(self) -> None:
        """Close the connection, for good."""
        self._line.close()
