"""Threads in the memory of this process (LangGraph's `langgraph.checkpoint.memory`)."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from typing_extensions import Self

from drumline._unbuilt import unbuilt
from drumline.checkpoint.rows import RowSaver
from drumline.threads.memory_rows import MemoryRows


class InMemorySaver(RowSaver):
    """Keeps threads as long as it lives itself, as the same rows as SQLite's. Safe to share among graphs, threads and
    event loops.

    A value that no codec takes is kept too, as a copy, or as it is if it cannot be copied.
    """

    def __init__(self, *, serde: Any = None) -> None:
        super().__init__(MemoryRows(), serde=serde)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is to be closed."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing is to be closed."""


MemorySaver = InMemorySaver

__getattr__ = unbuilt(
    __name__, "Pickled threads", "PersistentDict", advice="drumline.checkpoint.sqlite keeps threads in a file."
)

__all__ = ["InMemorySaver", "MemorySaver"]
