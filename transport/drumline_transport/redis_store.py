"""A store or a cache in Redis: each call is one of a script, on keys of one slot. Plain commands, no module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import redis

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_protocol.limits import STORE_PAGE_BYTES_MAX, STORE_PAGE_ITEMS_MAX
from drumline_transport.connection import Argument, Reply
from drumline_transport.dialer import Dialer, address_of, dialer_of
from drumline_transport.line import Line
from drumline_transport.nodes import Nodes, SlotDialer, slot_of
from drumline_transport.scripts import CACHE, STORE


class StoreLine:
    """A connection to the keys of a store or a cache, opened when first used. Safe for threads and forks."""

    def __init__(self, url: str, key: str, name: str, patience_s: float) -> None:
        self._key = key
        self._dialer, self._close = _dialer(url, key, name, patience_s)
        self._line = Line(self._dialer, "store")

    def batch(self, operations: Sequence[Sequence[Argument]]) -> list[Reply]:
        """The replies of operations of `store.lua`, which runs them as one step: all or none. At least once.

        Raises `NoBroker` when patience ends (`BrokerRefuses` while the server takes no writes), `ServerError` for keys
        that somebody made something else of.
        """
        flat = [word for operation in operations for word in operation]
        replies: list[Reply] = self._line.script(
            STORE, [self._key], [STORE_PAGE_ITEMS_MAX, STORE_PAGE_BYTES_MAX, *flat]
        )
        return replies

    def cache(self, words: Sequence[Argument]) -> Reply:
        """The reply of `cache.lua`. Idempotent. Raises as `batch` does."""
        return self._line.script(CACHE, [self._key], words)

    def close(self) -> None:
        """Close the connection, for good."""
        self._close()


class ClientLine:
    """The keys of a cache through a client of redis-py."""

    def __init__(self, client: Any, key: str) -> None:
        pool = getattr(client, "connection_pool", None)
        if not callable(getattr(client, "eval", None)) or type(client).__module__.startswith("redis.asyncio"):
            raise TypeError(f"a cache takes the address of a Redis or a sync client of redis-py, not {client!r}")
        if getattr(pool, "connection_kwargs", {}).get("decode_responses"):
            raise ValueError("a cache keeps bytes: make its client of redis-py without decode_responses")
        self._client = client
        self._key = key

    def cache(self, words: Sequence[Argument]) -> Reply:
        """The reply of `cache.lua`. Raises `NoBroker` for whatever redis-py raises."""
        try:
            return self._client.eval(CACHE.text, 1, self._key, *words)
        except redis.RedisError as error:
            raise NoBroker("a client of redis-py", str(error)) from None

    def close(self) -> None:
        """The client is the caller's, who closes it."""


def cache_line(place: Any, prefix: str, *, name: str = "drumline", patience_s: float = 1.0) -> StoreLine | ClientLine:
    """The line to the cache of `prefix` at an address, or through a client of redis-py.

    It is not patient: what is not cached can be done again.
    """
    key = Keys(prefix).cache()
    return StoreLine(place, key, name, patience_s) if isinstance(place, str) else ClientLine(place, key)


def store_line(url: str, prefix: str, *, name: str = "drumline", patience_s: float = 10.0) -> StoreLine:
    """The line to the store of the cluster `prefix` at `url`. The cluster need not be there yet."""
    return StoreLine(url, Keys(prefix).store(), name, patience_s)


def _dialer(url: str, key: str, name: str, patience_s: float) -> tuple[Dialer, Callable[[], None]]:
    if address_of(url).kind != "cluster":
        dialer = dialer_of(url, name, patience_s)
        return dialer, dialer.close
    nodes = Nodes(url, name, patience_s)
    slot = SlotDialer(nodes, slot_of(key))

    def close() -> None:
        slot.close()
        nodes.close()

    return slot, close
