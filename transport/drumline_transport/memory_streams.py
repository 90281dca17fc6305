"""A stream and a consumer group in plain data: as much of Redis Streams as the verbs use."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

#: `(milliseconds, sequence)`, or `(epoch, number)` in a run log.
EntryId = tuple[int, int]

ZERO: EntryId = (0, 0)


def parse_id(text: str) -> EntryId:
    """An entry id from its text; "-" and "0" are the start. Raises `ValueError`."""
    if text in ("-", "0"):
        return ZERO
    first, _, second = text.partition("-")
    return int(first), int(second or 0)


def format_id(entry_id: EntryId) -> str:
    """The id of a stream entry as Redis writes it: `<ms>-<number>`."""
    return f"{entry_id[0]}-{entry_id[1]}"


class Stream(Generic[T]):
    """Entries in ascending order of their ids. The last id is remembered when its entry is gone."""

    __slots__ = ("_ids", "_rows", "last")

    def __init__(self) -> None:
        self._ids: list[EntryId] = []
        self._rows: list[T] = []
        self.last: EntryId = ZERO

    def __len__(self) -> int:
        return len(self._ids)

    def next_id(self, now_ms: int) -> EntryId:
        """What `*` stands for: never below an id that was given out."""
        if now_ms > self.last[0]:
            return (now_ms, 0)
        return (self.last[0], self.last[1] + 1)

    def append(self, entry_id: EntryId, row: T) -> None:
        if entry_id <= self.last:
            raise ValueError(f"{format_id(entry_id)} does not come behind {format_id(self.last)}")
        self._ids.append(entry_id)
        self._rows.append(row)
        self.last = entry_id

    def after(self, entry_id: EntryId, count: int | None = None) -> list[tuple[EntryId, T]]:
        start = bisect_right(self._ids, entry_id)
        end = None if count is None else start + count
        return list(zip(self._ids[start:end], self._rows[start:end], strict=True))

    def get(self, entry_id: EntryId) -> T | None:
        i = bisect_left(self._ids, entry_id)
        found = i < len(self._ids) and self._ids[i] == entry_id
        return self._rows[i] if found else None

    def delete(self, entry_id: EntryId) -> None:
        i = bisect_left(self._ids, entry_id)
        if i < len(self._ids) and self._ids[i] == entry_id:
            del self._ids[i]
            del self._rows[i]

    def trim(self, up_to: EntryId) -> None:
        """Drop all entries up to and with this id."""
        end = bisect_right(self._ids, up_to)
        del self._ids[:end]
        del self._rows[:end]

    def keep_last(self, count: int) -> None:
        if len(self._ids) > count:
            del self._ids[:-count]
            del self._rows[:-count]


@dataclass(slots=True)
class Pending:
    """A delivered entry: who has it, and since when it was not renewed."""

    consumer: str
    since_ms: int


@dataclass(slots=True)
class TaskStream:
    """A task stream and its one consumer group."""

    stream: Stream[bytes] = field(default_factory=Stream)
    delivered: EntryId = ZERO
    pending: dict[EntryId, Pending] = field(default_factory=dict)
    #: when each consumer last asked for entries
    consumers: dict[str, int] = field(default_factory=dict)

    def deliver(self, consumer: str, count: int, now_ms: int) -> list[tuple[EntryId, bytes]]:
        self.consumers[consumer] = now_ms
        rows = self.stream.after(self.delivered, count)
        for entry_id, _ in rows:
            self.pending[entry_id] = Pending(consumer, now_ms)
            self.delivered = entry_id
        return rows

    def drop(self, entry_id: EntryId) -> None:
        """Acknowledge and delete, delivered or not."""
        self.pending.pop(entry_id, None)
        self.stream.delete(entry_id)
