"""What is kept for an operator: entries that cannot be handled, and runs that failed lately. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drumline_protocol.limits import DEAD_DATA_BYTES_MAX

#: the two streams of a partition's inbox, as entries name them
_INBOXES = ("inbox", "requests")


@dataclass(slots=True)
class DeadEntry:
    """An entry that cannot be handled, for an operator to look at.

    `source` tells where it lay ("inbox", "requests", "tasks:<pool>"), `id` which entry of it that was. Of a large one
    only the beginning is kept: then `whole_bytes` says how large it was (0: `data` is all of it).
    """

    source: str
    id: str
    run: str
    reason: str
    data: bytes
    whole_bytes: int = 0

    def as_kept(self) -> DeadEntry:
        """The entry as a partition keeps it."""
        if len(self.data) <= DEAD_DATA_BYTES_MAX:
            return self
        return replace(self, data=self.data[:DEAD_DATA_BYTES_MAX], whole_bytes=len(self.data))

    def pool_to_return_to(self) -> str | None:
        """The pool of a task; None for an entry of an inbox. `ValueError` for one that cannot be put back."""
        if self.whole_bytes:
            raise ValueError(f"only {len(self.data)} of its {self.whole_bytes} bytes were kept")
        if self.source in _INBOXES:
            return None
        kind, _, pool = self.source.partition(":")
        if kind != "tasks" or not pool:
            raise ValueError(f"it lay in {self.source!r}, where nothing can be put back")
        return pool


@dataclass(slots=True)
class FailedRun:
    """A line of the list of runs that failed lately. `at_ms` is a time for people."""

    run_id: str
    graph: str
    at_ms: int
    error: str
