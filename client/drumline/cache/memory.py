"""A cache in this process's memory (LangGraph's `langgraph.cache.memory`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from drumline.cache.base import BaseCache, FullKey, Namespace, Serde, ValueT
from drumline_transport.after_fork import renew_after_fork

__all__ = ["InMemoryCache"]


class InMemoryCache(BaseCache[ValueT]):
    """Values as bytes in a dict; gone when the process ends, and another cache in every process. Safe for threads.

    It grows with what is put into it: what has expired goes when it is asked for, or with `clear`.
    """

    def __init__(self, *, serde: Serde | None = None) -> None:
        super().__init__(serde=serde)
        self._cache: dict[Namespace, dict[str, tuple[str, bytes, float | None]]] = {}
        self._lock = threading.RLock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Nobody in this process holds the lock."""
        self._lock = threading.RLock()

    def _now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The values that are there, by their keys."""
        found: dict[FullKey, ValueT] = {}
        with self._lock:
            now = self._now()
            for namespace, key in keys:
                namespace = tuple(namespace)
                values = self._cache.get(namespace, {})
                if key not in values:
                    continue
                form, data, expires = values[key]
                if expires is not None and expires <= now:
                    del values[key]
                else:
                    found |= self._read(namespace, key, form, data)
        return found

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The twin of `get` for an event loop."""
        return self.get(keys)

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for so many seconds (None: for ever)."""
        with self._lock:
            now = self._now()
            for namespace, key, form, data, ttl in self._written(pairs):
                expires = None if ttl is None else now + ttl
                self._cache.setdefault(namespace, {})[key] = (form, data, expires)

    async def aset(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """The twin of `set` for an event loop."""
        self.set(pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget all values in these namespaces (None: in all)."""
        with self._lock:
            if namespaces is None:
                self._cache.clear()
            for namespace in namespaces or ():
                self._cache.pop(tuple(namespace), None)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """The twin of `clear` for an event loop."""
        self.clear(namespaces)
