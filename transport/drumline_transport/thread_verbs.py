"""The verbs that look at threads.

A part of `drumline_transport.broker`, where the words of the promises are explained.
"""

from __future__ import annotations

from typing import Protocol

from drumline_transport.entries import HistoryRow, QueueRow

#: rows of a history, or of the queue, that one call brings at most
PAGE_MAX = 500


class ThreadVerbs(Protocol):
    """Look at what is kept of threads. They change nothing."""

    def load_thread(self, p: int, thread: str) -> dict[str, bytes]:
        """The head of a thread; empty when there is none."""
        ...

    def read_history(
        self,
        p: int,
        thread: str,
        oldest: str = "-",
        newest: str = "+",
        count: int = PAGE_MAX,
        *,
        backwards: bool = False,
    ) -> list[HistoryRow]:
        """Rows of a thread's history from `oldest` to `newest`, at most `count`, the oldest first or, `backwards`, the
        newest first. `(` in front of an id leaves that row out.
        """
        ...

    def read_queue(self, p: int, after: str = "-", count: int = PAGE_MAX) -> list[QueueRow]:
        """Requests that wait for their threads, in order, behind the id `after` ("-": from the first one)."""
        ...

    def list_threads(self, p: int, start: int, count: int) -> list[tuple[str, int]]:
        """`(thread, ms at which it changed)` of up to `count` threads, the newest first, after `start` of them."""
        ...

    def runs_of_thread(self, p: int, thread: str) -> list[tuple[str, int]]:
        """`(run, ms at which it ended, or 0: it has not)` of the runs of a thread whose records have not expired."""
        ...
