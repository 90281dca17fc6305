"""The intake of a coordinator: how much of which inbox is read next.

An inbox whose keys hold something else costs its partition and no other: it is read again from time to time, while the
others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from drumline_coordinator.troubles import Troubles
from drumline_protocol.limits import INBOX_BATCH_BYTES_MAX, INBOX_BATCH_ENTRIES_MAX
from drumline_transport.broker import CoordinatorVerbs, InboxEntry, Position
from drumline_transport.errors import ServerError

#: entries of a first read, when nobody knows how large they are
READ_COUNT_FIRST = 16

#: an inbox that cannot be read is left alone for this long
RETRY_S = 5.0


class Intake:
    """Reads the inboxes of several partitions as one. For one thread."""

    def __init__(self, broker: CoordinatorVerbs, troubles: Troubles, clock_s: Callable[[], float]) -> None:
        self._broker = broker
        self._troubles = troubles
        self._clock_s = clock_s
        #: entries that the next read takes of each stream: few while they are large
        self._count = READ_COUNT_FIRST
        #: partitions whose inbox cannot be read, and when it is tried again
        self._bad: dict[int, float] = {}

    def read(self, after: Mapping[int, Position], block_ms: int) -> list[InboxEntry]:
        """Entries behind these positions, about as many as `INBOX_BATCH_BYTES_MAX` allows. Raises NoBroker."""
        if self._bad:
            now = self._clock_s()
            self._bad = {index: until for index, until in self._bad.items() if until > now}
            after = {index: position for index, position in after.items() if index not in self._bad}
        try:
            entries = self._broker.read_inbox(dict(after), self._count, block_ms)
        except ServerError:
            entries = self._read_apart(after)
        size = sum(len(entry.data) for entry in entries)
        fitting = INBOX_BATCH_BYTES_MAX * len(entries) // size if size else INBOX_BATCH_ENTRIES_MAX
        self._count = max(1, min(fitting, 2 * self._count, INBOX_BATCH_ENTRIES_MAX))
        return entries

    def _read_apart(self, after: Mapping[int, Position]) -> list[InboxEntry]:
        """One partition after the other, since one of them cannot be read."""
        entries: list[InboxEntry] = []
        for index, position in after.items():
            try:
                entries += self._broker.read_inbox({index: position}, self._count, 0)
            except ServerError as error:
                self._bad[index] = self._clock_s() + RETRY_S
                text = f"the inbox of partition {index} cannot be read, so its runs stand still: {error.text}"
                self._troubles.tell(f"inbox {index}", text)
        return entries
