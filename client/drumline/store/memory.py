"""A store in this process's memory (LangGraph's `langgraph.store.memory`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from drumline.store.base import IndexConfig, Item, Op, PutOp, Result, SearchItem, SearchOp, TTLConfig
from drumline.store.index import NO_VECTORS, Vectors
from drumline.store.match import fits, listed
from drumline.store.plan import Place, Plan, plan_of
from drumline.store.planned import PlannedStore, lifetime_us, page_of
from drumline.store.ranking import Vector
from drumline_transport.after_fork import renew_after_fork

__all__ = ["InMemoryStore"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: how long an expired item may stay in memory, unseen, before a put takes it out
_SWEEP_US = 60_000_000


@dataclass(slots=True)
class _Row:
    item: Item
    vectors: list[Vector]
    lifetime: int | None
    expires: int | None


class InMemoryStore(PlannedStore):
    """Items in a dict; gone when the process ends, and another store in every process.

    It holds the values themselves, as LangGraph's does: whoever changes a value that it got changes what is stored.
    `index` makes it searchable by meaning, `ttl` sets lifetimes (minutes). Safe for threads.
    """

    __slots__ = ("_data", "_lifetimes", "_lock", "_swept")

    def __init__(self, *, index: IndexConfig | None = None, ttl: TTLConfig | None = None) -> None:
        super().__init__(index, ttl)
        self._data: dict[tuple[str, ...], dict[str, _Row]] = {}
        #: places of items with a lifetime
        self._lifetimes: set[Place] = set()
        self._swept = 0
        self._lock = threading.RLock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Nobody in this process holds the lock."""
        self._lock = threading.RLock()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The twin of `batch` for an event loop."""
        plan = plan_of(ops)
        return self._run(plan, NO_VECTORS if self._index is None else await self._index.aembed(plan))

    def _run(self, plan: Plan, vectors: Vectors) -> list[Result]:
        results = plan.results()
        with self._lock:
            now = self._now()
            for number, get in plan.gets.items():
                row = self._row(get.namespace, get.key, now)
                if row is not None:
                    results[number] = row.item
                    _touch(row, now, get.refresh_ttl)
            for number, search in plan.searches.items():
                results[number] = self._search(search, vectors, now)
            for number, asked in plan.lists.items():
                results[number] = listed(self._namespaces(now), asked)
            if plan.puts:
                self._put_all(plan, vectors, now)
        return results

    def _now(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    def _row(self, namespace: tuple[str, ...], key: str, now: int) -> _Row | None:
        row = self._data.get(namespace, {}).get(key)
        return None if row is None or _is_over(row, now) else row

    def _search(self, op: SearchOp, vectors: Vectors, now: int) -> list[SearchItem]:
        found = [
            (_found(row.item), row) for row in self._below(op.namespace_prefix, now) if fits(row.item.value, op.filter)
        ]
        page = page_of(op, [(item, row.vectors) for item, row in found], vectors.queries)
        if op.refresh_ttl and self._lifetimes:
            for item in page:
                _touch(self._data[item.namespace][item.key], now, True)
        return page

    def _below(self, prefix: tuple[str, ...], now: int) -> Iterator[_Row]:
        depth = len(prefix)
        for namespace, rows in self._data.items():
            if namespace[:depth] == prefix:
                yield from (row for row in rows.values() if not _is_over(row, now))

    def _namespaces(self, now: int) -> list[tuple[str, ...]]:
        return [
            namespace for namespace, rows in self._data.items() if any(not _is_over(row, now) for row in rows.values())
        ]

    def _put_all(self, plan: Plan, vectors: Vectors, now: int) -> None:
        if self._lifetimes and now - self._swept > _SWEEP_US:
            self.sweep_ttl()
        for place, put in plan.puts.items():
            old = self._row(*place, now)
            if put.value is None or old is None:
                self._drop(place)
            if put.value is not None:
                self._put(place, put, None if old is None else old.item, vectors.puts.get(place, []), now)

    def _put(self, place: Place, put: PutOp, old: Item | None, vectors: list[Vector], now: int) -> None:
        namespace, key = place
        at = _EPOCH + timedelta(microseconds=now)
        created = at if old is None else old.created_at
        value: Any = put.value
        item = Item(value=value, key=key, namespace=namespace, created_at=created, updated_at=at)
        lifetime = lifetime_us(put.ttl)
        row = _Row(item, vectors, lifetime, None if lifetime is None else now + lifetime)
        self._data.setdefault(namespace, {})[key] = row
        if lifetime is None:
            self._lifetimes.discard(place)
        else:
            self._lifetimes.add(place)

    def _drop(self, place: Place) -> None:
        namespace, key = place
        rows = self._data.get(namespace)
        if rows is not None and rows.pop(key, None) is not None and not rows:
            del self._data[namespace]
        self._lifetimes.discard(place)

    def sweep_ttl(self) -> int:
        """Delete the items whose lifetime is over; how many there were."""
        with self._lock:
            now = self._swept = self._now()
            over = [place for place in self._lifetimes if self._row(*place, now) is None]
            for place in over:
                self._drop(place)
            return len(over)


def _is_over(row: _Row, now: int) -> bool:
    return row.expires is not None and row.expires <= now


def _touch(row: _Row, now: int, refresh: bool) -> None:
    if refresh and row.lifetime is not None:
        row.expires = now + row.lifetime


def _found(item: Item) -> SearchItem:
    return SearchItem(item.namespace, item.key, item.value, item.created_at, item.updated_at)
