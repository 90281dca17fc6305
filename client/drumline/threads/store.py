"""What keeps threads: the interface that memory, SQLite and LangGraph's savers have here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from drumline_protocol.checkpoints import Save, Saved


class Threads(Protocol):
    """Keeps the checkpoints of threads, by thread id, namespace (`""`: the root graph) and checkpoint id.

    Values that it gives belong to the caller. Whatever its storage raises passes through.
    """

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """A checkpoint with its pending writes; without an id the newest one. None if there is none."""
        ...

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        """Checkpoints, the newest first: those older than `before`, whose metadata has these items."""
        ...

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        """Keep these, in order. The values are read before this returns; what is kept already stays as it is."""
        ...

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """The twin of `get`."""
        ...

    def ahistory(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Saved]:
        """The twin of `history`."""
        ...

    async def asave(self, thread: str, saves: Sequence[Save]) -> None:
        """The twin of `save`."""
        ...
