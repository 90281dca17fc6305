"""The outbox: what tasks say on its way to the broker. Batched by back-pressure, not by a timer.

Any thread puts in; one at a time takes out. While a send is under way things gather; the next send takes all of them.
A full outbox blocks only the node that writes, for a bounded time.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import WriterBlocked
from drumline_protocol.limits import SEND_BUFFER_BYTES_MAX, WRITER_BLOCK_MS
from drumline_protocol.messages import Events

#: events and bytes of one inbox entry; a longer burst becomes several entries
BURST_ITEMS_MAX = 512
BURST_BYTES_MAX = 512 * 1024


@dataclass(slots=True)
class Slot:
    """One running task as the outbox knows it. `n` counts events already handed to the broker."""

    pool: str
    entry: str
    partition: int
    run: str
    task: str
    attempt: int
    executor: str
    n: int = 0
    items: list[bytes] = field(default_factory=list)
    answer: bytes | None = None
    #: how many of `items` were emitted before the answer
    before: int = 0
    queued: bool = False
    #: the attempt is void: whatever it says is dropped
    void: bool = False


@dataclass(slots=True)
class Batch:
    """One write: inbox entries in order, then the task entries that they finish."""

    #: (partition, run id, data)
    entries: list[tuple[int, str, bytes]] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    finished: list[Slot] = field(default_factory=list)


class Outbox:
    """Gathers events and answers of all running tasks of a worker, in order for each task."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._queue: deque[Slot] = deque()
        self._bytes = 0
        self._claimed = False
        self._closed = False

    def event(self, slot: Slot, item: bytes) -> None:
        """Add an event of a task. WriterBlocked if the broker takes nothing for too long.

        Events that come after the task's answer go out too: the run machine drops them, counts them and says so.
        """
        with self._lock:
            if self._bytes > SEND_BUFFER_BYTES_MAX and not self._room.wait_for(
                lambda: self._bytes <= SEND_BUFFER_BYTES_MAX or self._closed,
                WRITER_BLOCK_MS / 1000,
            ):
                raise WriterBlocked(WRITER_BLOCK_MS / 1000, self._bytes)
            if slot.void:
                return
            slot.items.append(item)
            self._bytes += len(item)
            if not slot.queued:
                self._enqueue(slot)

    def answer(self, slot: Slot, message: bytes) -> None:
        """Add the answer of a task, its last word."""
        with self._lock:
            slot.answer = message
            slot.before = len(slot.items)
            self._bytes += len(message)
            self._enqueue(slot)

    def void(self, slot: Slot) -> None:
        """Drop what a task said and will say."""
        with self._lock:
            slot.void = True
            self._bytes -= sum(map(len, slot.items))
            slot.items = []

    def close(self) -> None:
        """No more is put in; `take` returns None once the rest is taken."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._room.notify_all()

    def claim(self) -> bool:
        """Become the one that sends, until `release`: what is put in wakes nobody. False if somebody sends already."""
        with self._lock:
            if self._claimed:
                return False
            self._claimed = True
            return True

    def wait(self) -> bool:
        """Wait until there is something to send and nobody sends; then claim.

        False after `close`, when nothing is left.
        """
        with self._lock:
            while self._claimed or not self._queue:
                if self._closed and not self._queue:
                    return False
                self._filled.wait()
            self._claimed = True
            return True

    def release(self) -> None:
        """What was taken is sent. Somebody else sends what came meanwhile."""
        with self._lock:
            self._claimed = False
            if self._queue:
                self._filled.notify()

    def take(self) -> Batch | None:
        """All there is to send, for the one that claimed; None if there is nothing."""
        with self._lock:
            if not self._queue:
                return None
            queue, self._queue = self._queue, deque()
            gathered = []
            for slot in queue:
                slot.queued = False
                gathered.append((slot, slot.items, slot.answer, slot.before))
                slot.items = []
                slot.answer = None
            self._bytes = 0
            self._room.notify_all()
        batch = Batch()
        for slot, items, answer, before in gathered:
            if answer is None:
                self._pack(batch, slot, items)
            else:
                self._pack(batch, slot, items[:before])
                if not slot.void:
                    batch.entries.append((slot.partition, slot.run, answer))
                    batch.done.append((slot.pool, slot.entry))
                batch.finished.append(slot)
                self._pack(batch, slot, items[before:])
        return batch

    def _enqueue(self, slot: Slot) -> None:
        if not slot.queued:
            slot.queued = True
            self._queue.append(slot)
            if len(self._queue) == 1 and not self._claimed:
                self._filled.notify()

    def _pack(self, batch: Batch, slot: Slot, items: list[bytes]) -> None:
        if slot.void:
            return
        for burst in _bursts(items):
            events = Events(slot.run, slot.task, slot.attempt, slot.executor, slot.n, burst)
            slot.n += len(burst)
            batch.entries.append((slot.partition, slot.run, wire.encode(self._codec, events)))


def _bursts(items: list[bytes]) -> list[list[bytes]]:
    if len(items) <= BURST_ITEMS_MAX and sum(map(len, items)) <= BURST_BYTES_MAX:
        return [items] if items else []
    bursts: list[list[bytes]] = []
    burst: list[bytes] = []
    size = 0
    for item in items:
        if burst and (len(burst) >= BURST_ITEMS_MAX or size + len(item) > BURST_BYTES_MAX):
            bursts.append(burst)
            burst, size = [], 0
        burst.append(item)
        size += len(item)
    bursts.append(burst)
    return bursts
