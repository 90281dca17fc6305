"""Threads in the memory of this process (LangGraph's `langgraph.checkpoint.memory`)."""

from __future__ import annotations

import copy
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from drumline_protocol.checkpoints import Checkpoint, PendingWrite, Save, Saved, merged, metadata_of


class InMemorySaver:
    """Keeps threads as long as it lives itself. Safe to share among graphs, threads and event loops."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._threads: dict[str, dict[str, dict[str, Checkpoint]]] = {}
        self._pending: dict[tuple[str, str, str], list[PendingWrite]] = {}

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        with self._lock:
            known = self._threads.get(thread, {}).get(ns, {})
            newest = max(known, default="")
            found = known.get(checkpoint or newest)
            return None if found is None else self._saved(thread, found, newest)

    def _saved(self, thread: str, found: Checkpoint, newest: str) -> Saved:
        pending = self._pending.get((thread, found.ns, found.id), [])
        return Saved(copy.deepcopy(found), copy.deepcopy(pending), found.id == newest)

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        with self._lock:
            known = self._threads.get(thread, {}).get(ns, {})
            newest = max(known, default="")
            ids = sorted((id_ for id_ in known if not before or id_ < before), reverse=True)
        for id_ in ids:
            if limit is not None and limit <= 0:
                return
            shown = metadata_of(known[id_])
            if all(shown.get(key) == value for key, value in (metadata or {}).items()):
                if limit is not None:
                    limit -= 1
                yield self._saved(thread, known[id_], newest)

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        with self._lock:
            for each in saves:
                if isinstance(each, Checkpoint):
                    kept = copy.deepcopy(each)
                    self._threads.setdefault(thread, {}).setdefault(kept.ns, {})[kept.id] = kept
                else:
                    place = thread, each.ns, each.checkpoint
                    self._pending[place] = merged(self._pending.get(place, []), copy.deepcopy(each))

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        return self.get(thread, ns, checkpoint)

    async def ahistory(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Saved]:
        for saved in self.history(thread, ns, before=before, limit=limit, metadata=metadata):
            yield saved

    async def asave(self, thread: str, saves: Sequence[Save]) -> None:
        self.save(thread, saves)


MemorySaver = InMemorySaver
