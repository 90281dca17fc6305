"""Results of `@task`s in a cache. They lie where LangGraph has them: `clear_cache` of a task finds them there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from langgraph._internal import _constants as keys
from langgraph.pregel._call import identifier
from langgraph.types import CacheKey
from xxhash import xxh3_128_hexdigest

from drumline_graph.channels.base import MISSING

log = logging.getLogger("drumline.cache")


class CallCache:
    """The cache of one graph, for calls of `@task`s. One that fails is as one that holds nothing."""

    def __init__(self, graph: Any) -> None:
        self._cache = graph.cache
        self._policy = graph.cache_policy

    def key_of(self, func: Callable[..., Any], input: Any, policy: Any) -> CacheKey | None:
        """Where the result of a call lies; None if it is not cached. Raises what the key function raises."""
        policy = policy or self._policy
        if self._cache is None or policy is None:
            return None
        key = policy.key_func(*input[0], **input[1])
        digest = xxh3_128_hexdigest(key.encode() if isinstance(key, str) else key)
        return CacheKey((keys.CACHE_NS_WRITES, identifier(func) or "__dynamic__"), digest, policy.ttl)

    def found(self, key: CacheKey | None) -> Any:
        """What a call returned; MISSING if that is not there."""
        if key is None:
            return MISSING
        try:
            return _result_at(key, self._cache.get([(key.ns, key.key)]))
        except Exception as error:
            return _failed(error)

    async def afound(self, key: CacheKey | None) -> Any:
        """The twin of `found` for an event loop."""
        if key is None:
            return MISSING
        try:
            return _result_at(key, await self._cache.aget([(key.ns, key.key)]))
        except Exception as error:
            return _failed(error)

    def keep(self, key: CacheKey | None, result: Any) -> None:
        """Put what a call returned there."""
        if key is not None:
            try:
                self._cache.set({(key.ns, key.key): ([(keys.RETURN, result)], key.ttl)})
            except Exception as error:
                _failed(error)

    async def akeep(self, key: CacheKey | None, result: Any) -> None:
        """The twin of `keep` for an event loop."""
        if key is not None:
            try:
                await self._cache.aset({(key.ns, key.key): ([(keys.RETURN, result)], key.ttl)})
            except Exception as error:
                _failed(error)


def _result_at(key: CacheKey, values: Any) -> Any:
    writes = values.get((key.ns, key.key)) or ()
    return next((value for channel, value in writes if channel == keys.RETURN), MISSING)


def _failed(error: Exception) -> Any:
    log.warning("a cache failed, and is passed over: %r", error)
    return MISSING
