"""The outbox: what tasks say on its way to the broker. Batched by back-pressure, not by a timer.

Any thread puts in; one at a time takes out. While a send is under way things gather; the next send takes all of them.
A full outbox blocks only the node that writes, for a bounded time.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import WriterBlocked
from drumline_protocol.limits import SEND_BUFFER_BYTES_MAX, WRITER_BLOCK_MS
from drumline_protocol.messages import Events

#: events and bytes of one inbox entry; a longer burst becomes several entries
BURST_ITEMS_MAX = 512
BURST_BYTES_MAX = 512 * 1024


@dataclass(slots=True, eq=False)
class Slot:
    """One execution of a task's attempt as the outbox knows it. `n` counts events already handed to the broker."""

    pool: str
    entry: str
    partition: int
    run: str
    task: str
    attempt: int
    executor: str
    token: str = ""
    #: name of the node, for people
    node: str = ""
    n: int = 0
    items: list[bytes] = field(default_factory=list)
    #: events so far
    emitted: int = 0
    #: the count of events was told, so the answer comes next: what is emitted now waits in `late`, to go out behind it
    sealed: bool = False
    late: list[bytes] = field(default_factory=list)
    answer: bytes | None = None
    #: large values that the answer names: (blob id, bytes)
    blobs: list[tuple[str, bytes]] = field(default_factory=list)
    answered: bool = False
    queued: bool = False
    #: the attempt is void: whatever it says is dropped
    void: bool = False
    graph: str = ""
    #: whether its coordinator takes names of large values
    names: bool = False
    #: it is void because this worker holds its entry no more
    lost: bool = False
    #: runs of a cluster that the node waits for
    waiting: int = 0
    table: Any = None
    #: which values of its task have names (`Job.origins`)
    origins: Any = None

    @property
    def repeats(self) -> bool:
        """Another worker may get the task."""
        return True

    @property
    def above(self) -> Any:
        """A worker's task belongs to the run itself."""
        return None

    def waits(self, begins: bool) -> None:
        """The node begins, or ends, to wait for a run of a cluster."""
        if self.table is not None:
            self.table.waits(self, begins)


@dataclass(slots=True)
class Batch:
    """One write: inbox entries in order, then the task entries that they finish."""

    #: (partition, run id, data)
    entries: list[tuple[int, str, bytes]] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    finished: list[Slot] = field(default_factory=list)
    #: (partition, blob id, data): to be there before the entries
    blobs: list[tuple[int, str, bytes]] = field(default_factory=list)


class Outbox:
    """Gathers events and answers of all running tasks of a worker, in order for each task."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._queue: deque[Slot] = deque()
        self._bytes = 0
        #: of `_bytes` those that wait for an answer that is being written
        self._held = 0
        self._claimed = False
        #: the one that claimed waits for more
        self._watched = False
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
            if not slot.sealed:
                slot.items.append(item)
            else:
                slot.late.append(item)
                if not slot.answered:
                    self._held += len(item)
            slot.emitted += 1
            self._bytes += len(item)
            if not slot.queued:
                self._enqueue(slot)

    def seal(self, slot: Slot) -> int:
        """How many events the task emitted before its answer, which is about to be written: later ones go behind it."""
        with self._lock:
            slot.sealed = True
            return slot.emitted

    def answer(self, slot: Slot, message: bytes) -> None:
        """Add the answer of a task, its last word."""
        with self._lock:
            if slot.late and not slot.answered:
                self._held -= sum(map(len, slot.late))
            slot.sealed = slot.answered = True
            slot.answer = message
            self._bytes += len(message) + sum(len(data) for _, data in slot.blobs)
            self._enqueue(slot)

    def void(self, slot: Slot) -> None:
        """Drop what a task said and will say."""
        with self._lock:
            slot.void = True
            late = sum(map(len, slot.late))
            self._bytes -= sum(map(len, slot.items)) + late
            if not slot.answered:
                self._held -= late
            slot.items, slot.late = [], []

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

    def wait_for_more(self, timeout_s: float) -> None:
        """For the one that claimed: wait until there is something to send, or the time is over."""
        with self._lock:
            self._watched = True
            self._filled.wait_for(lambda: bool(self._queue) or self._closed, timeout_s)
            self._watched = False

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
                late: list[bytes] = []
                if slot.late and slot.answered:
                    late, slot.late = slot.late, late
                gathered.append((slot, slot.items, slot.answer, late))
                slot.items = []
                slot.answer = None
            self._bytes = self._held
            self._room.notify_all()
        batch = Batch()
        for slot, items, answer, late in gathered:
            self._pack(batch, slot, items)
            if answer is not None:
                if not slot.void:
                    batch.blobs += [(slot.partition, blob_id, data) for blob_id, data in slot.blobs]
                    batch.entries.append((slot.partition, slot.run, answer))
                    batch.done.append((slot.pool, slot.entry))
                    slot.n += 1  # the answer has a number too: what is emitted behind a lost one does not pass for it
                slot.blobs = []
                batch.finished.append(slot)
            self._pack(batch, slot, late)
        return batch

    def _enqueue(self, slot: Slot) -> None:
        if not slot.queued:
            slot.queued = True
            self._queue.append(slot)
            if len(self._queue) == 1 and not self._claimed:
                self._filled.notify()
            elif self._watched:  # by the one that claimed; others wait there too
                self._filled.notify_all()

    def _pack(self, batch: Batch, slot: Slot, items: list[bytes]) -> None:
        if slot.void:
            return
        for burst in _bursts(items):
            events = Events(slot.run, slot.task, slot.attempt, slot.executor, slot.n, burst, slot.token)
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
