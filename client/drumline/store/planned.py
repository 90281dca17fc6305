"""The common half of drumline's stores: a batch is planned and embedded here, and a backend runs it."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from drumline.store.base import BaseStore, IndexConfig, Op, Result, SearchItem, SearchOp, TTLConfig
from drumline.store.index import NO_VECTORS, Index, Vectors
from drumline.store.plan import Plan, plan_of
from drumline.store.ranking import Vector, check_width, ranked
from drumline_graph.loaded import loaded

#: microseconds of a minute: lifetimes are given in minutes, and kept in microseconds
MINUTE_US = 60_000_000


class PlannedStore(BaseStore):
    """A store that gets its batches as plans. A subclass gives `_run`, which does all of one or nothing."""

    supports_ttl = True

    __slots__ = ("_index", "_stop", "_sweeper", "embeddings", "index_config", "ttl_config")

    def __init__(self, index: IndexConfig | None, ttl: TTLConfig | None) -> None:
        be_known_to_langgraph()
        self.index_config = None if index is None else IndexConfig(**index)
        self.ttl_config = None if ttl is None else TTLConfig(**ttl)
        self._index = None if index is None else Index(index)
        #: LangChain's `Embeddings`, or what stands for them; None without an index
        self.embeddings: Any = None if self._index is None else self._index.embeddings
        self._sweeper: threading.Thread | None = None
        self._stop = threading.Event()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: reads see what was there before, and all puts are done, or none."""
        plan = plan_of(ops)
        return self._run(plan, NO_VECTORS if self._index is None else self._index.embed(plan))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The twin of `batch` for an event loop, which does not wait for the backend meanwhile."""
        plan = plan_of(ops)
        vectors = NO_VECTORS if self._index is None else await self._index.aembed(plan)
        return await asyncio.to_thread(self._run, plan, vectors)

    @abstractmethod
    def _run(self, plan: Plan, vectors: Vectors) -> list[Result]:
        """Do what a plan says."""

    # -- lifetimes ------------------------------------------------------------------------------------

    @abstractmethod
    def sweep_ttl(self) -> int:
        """Delete the items whose lifetime is over, which nobody sees any more; how many there were."""

    def start_ttl_sweeper(self, sweep_interval_minutes: int | None = None) -> threading.Thread | None:
        """Sweep in a thread of this store, by default as often as `ttl` says; None if nobody says how often.

        Puts sweep too, a few at a time: this is for a store that is only read.
        """
        minutes = sweep_interval_minutes or (self.ttl_config or {}).get("sweep_interval_minutes")
        if not minutes or (self._sweeper is not None and self._sweeper.is_alive()):
            return self._sweeper
        self._stop.clear()
        self._sweeper = threading.Thread(target=self._sweep, args=(minutes * 60,), name="store-sweeper", daemon=True)
        self._sweeper.start()
        return self._sweeper

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool:
        """End that thread; whether it has ended within `timeout` seconds (None: wait for it)."""
        self._stop.set()
        if self._sweeper is None:
            return True
        self._sweeper.join(timeout)
        return not self._sweeper.is_alive()

    def _sweep(self, every_s: float) -> None:
        while not self._stop.wait(every_s):
            self.sweep_ttl()


def be_known_to_langgraph() -> None:
    """Let drumline's stores count as LangGraph's `BaseStore`, if LangGraph is loaded. Idempotent.

    LangChain checks what is injected into a tool against the parameter's annotation.
    """
    theirs = loaded("langgraph.store.base")
    if theirs is not None and not issubclass(PlannedStore, theirs.BaseStore):
        theirs.BaseStore.register(PlannedStore)


def lifetime_us(minutes: float | None) -> int | None:
    """A lifetime in microseconds; at least one of them."""
    return None if minutes is None else max(1, round(minutes * MINUTE_US))


def page_of(op: SearchOp, found: list[tuple[SearchItem, list[Vector]]], queries: dict[str, Vector]) -> list[SearchItem]:
    """The page that a search asks for, of all items that it found. SearchTooWide."""
    query = queries.get(op.query) if op.query else None
    if query is None:
        return [item for item, _ in found[op.offset : op.offset + op.limit]]
    check_width(op.namespace_prefix, sum(len(vectors) for _, vectors in found))
    page = []
    for score, item in ranked(query, found, op.offset, op.limit):
        item.score = score
        page.append(item)
    return page
