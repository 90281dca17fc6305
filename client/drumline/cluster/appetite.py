"""How many entries of a run's log one read asks for. Pure.

Redis makes a whole reply before it sends the first byte of it, and keeps it while its reader is slow. So a read asks
for about as many entries as make up `READ_BYTES`, judged by those that came before.
"""

from __future__ import annotations

from collections.abc import Sequence

from drumline_transport.broker import LogEntry

#: about how large a reply may be; what a reader that stands still costs Redis
READ_BYTES = 1024 * 1024
#: entries of the first read, when nothing is known of their size, and of any read
FIRST_COUNT, COUNT_MAX = 16, 512
#: how fast the count grows while replies are full and small
_GROWTH = 4
#: what an entry takes beside its payload
_ENTRY_BYTES = 64


class Appetite:
    """`count` is for the next read; tell `took` what it brought."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = FIRST_COUNT

    def took(self, entries: Sequence[LogEntry]) -> None:
        """Judge the next read by these entries. One large one among them counts for several."""
        sizes = [len(entry.data) for entry in entries]
        typical = max(sum(sizes) // len(sizes), max(sizes) // _GROWTH) + _ENTRY_BYTES
        # not more than was needed: a reader at the end of a log gets one entry at a time, however large the next are
        most = self.count * _GROWTH if len(sizes) >= self.count else max(self.count, FIRST_COUNT)
        self.count = max(1, min(READ_BYTES // typical, most, COUNT_MAX))
