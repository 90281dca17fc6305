"""The outbox: what tasks say, on its way to the broker. It is batched by back-pressure, not by a timer.

Any thread puts in; one thread at a time takes out. While that one sends, more gathers, and the next send takes it all.
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
class Execution:
    """One execution of a task's attempt in this worker. `n` counts the events that were taken to be sent."""

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
    #: the answer says how many events came before it, so later ones wait in `late` and go out behind it
    sealed: bool = False
    late: list[bytes] = field(default_factory=list)
    answer: bytes | None = None
    #: large values that the answer names: (blob id, bytes)
    blobs: list[tuple[str, bytes]] = field(default_factory=list)
    answered: bool = False
    queued: bool = False
    #: nobody waits for it any more, and what it still says is dropped
    cancelled: bool = False
    graph: str = ""
    #: whether its coordinator takes names of large values
    names: bool = False
    #: it is cancelled because this worker does not hold its entry any more
    lost: bool = False
    #: runs of a cluster that the node waits for
    waiting: int = 0
    table: Any = None
    #: which values of its task have names (`Job.origins`)
    origins: Any = None
    #: the `RunControl` that its node has been given, if it has asked for one
    control: Any = None

    def __str__(self) -> str:
        return f"attempt {self.attempt} of node {self.node!r}, task {self.task} of run {self.run}"

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
    finished: list[Execution] = field(default_factory=list)
    #: (partition, blob id, data); they must be stored before the entries
    blobs: list[tuple[int, str, bytes]] = field(default_factory=list)


class Outbox:
    """Gathers events and answers of all running tasks of a worker, in order for each task."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._queue: deque[Execution] = deque()
        self._bytes = 0
        #: the part of `_bytes` that waits for an answer which is being encoded
        self._held = 0
        self._claimed = False
        #: the sender waits for more
        self._watched = False
        self._closed = False

    def event(self, execution: Execution, item: bytes) -> None:
        """Add an event of a task. WriterBlocked if the broker takes nothing for too long.

        Events that come after the task's answer go out too. The run machine drops and counts them, and logs that.
        """
        with self._lock:
            if self._bytes > SEND_BUFFER_BYTES_MAX and not self._room.wait_for(
                lambda: self._bytes <= SEND_BUFFER_BYTES_MAX or self._closed,
                WRITER_BLOCK_MS / 1000,
            ):
                raise WriterBlocked(WRITER_BLOCK_MS / 1000, self._bytes)
            if execution.cancelled:
                return
            if not execution.sealed:
                execution.items.append(item)
            else:
                execution.late.append(item)
                if not execution.answered:
                    self._held += len(item)
            execution.emitted += 1
            self._bytes += len(item)
            if not execution.queued:
                self._enqueue(execution)

    def seal(self, execution: Execution) -> int:
        """The task's answer is about to be encoded: later events go out behind it. Returns how many came before."""
        with self._lock:
            execution.sealed = True
            return execution.emitted

    def answer(self, execution: Execution, message: bytes) -> None:
        """Add the answer of a task, its last word."""
        with self._lock:
            if execution.late and not execution.answered:
                self._held -= sum(map(len, execution.late))
            execution.sealed = execution.answered = True
            execution.answer = message
            self._bytes += len(message) + sum(len(data) for _, data in execution.blobs)
            self._enqueue(execution)

    def cancel(self, execution: Execution) -> None:
        """Drop what a task has said and will say."""
        with self._lock:
            execution.cancelled = True
            late = sum(map(len, execution.late))
            self._bytes -= sum(map(len, execution.items)) + late
            if not execution.answered:
                self._held -= late
            execution.items, execution.late = [], []

    def close(self) -> None:
        """Nothing more is put in. `take_batch` returns None once the rest is taken."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._room.notify_all()

    def claim(self) -> bool:
        """Claim the sender role. Until `release`, new items do not wake the send thread. False if it is taken."""
        with self._lock:
            if self._claimed:
                return False
            self._claimed = True
            return True

    def wait(self) -> bool:
        """Wait until there is something to send and the sender role is free, and claim it.

        False after `close`, when the outbox is empty.
        """
        with self._lock:
            while self._claimed or not self._queue:
                if self._closed and not self._queue:
                    return False
                self._filled.wait()
            self._claimed = True
            return True

    def wait_for_more(self, timeout_s: float) -> None:
        """The sender waits until there is something to send, or the time is over."""
        with self._lock:
            self._watched = True
            self._filled.wait_for(lambda: bool(self._queue) or self._closed, timeout_s)
            self._watched = False

    def release(self) -> None:
        """Give the sender role back. The send thread sends what has come meanwhile."""
        with self._lock:
            self._claimed = False
            if self._queue:
                self._filled.notify()

    def take_batch(self) -> Batch | None:
        """All there is to send, for the sender; None if there is nothing."""
        with self._lock:
            if not self._queue:
                return None
            queue, self._queue = self._queue, deque()
            gathered = []
            for execution in queue:
                execution.queued = False
                late: list[bytes] = []
                if execution.late and execution.answered:
                    late, execution.late = execution.late, late
                gathered.append((execution, execution.items, execution.answer, late))
                execution.items = []
                execution.answer = None
            self._bytes = self._held
            self._room.notify_all()
        batch = Batch()
        for execution, items, answer, late in gathered:
            self._pack(batch, execution, items)
            if answer is not None:
                if not execution.cancelled:
                    batch.blobs += [(execution.partition, blob_id, data) for blob_id, data in execution.blobs]
                    batch.entries.append((execution.partition, execution.run, answer))
                    batch.done.append((execution.pool, execution.entry))
                    execution.n += 1  # the answer has a number too, so that an event behind a lost answer is a gap
                execution.blobs = []
                batch.finished.append(execution)
            self._pack(batch, execution, late)
        return batch

    def _enqueue(self, execution: Execution) -> None:
        if not execution.queued:
            execution.queued = True
            self._queue.append(execution)
            if len(self._queue) == 1 and not self._claimed:
                self._filled.notify()
            elif self._watched:  # by the sender; others wait on the same condition
                self._filled.notify_all()

    def _pack(self, batch: Batch, execution: Execution, items: list[bytes]) -> None:
        if execution.cancelled:
            return
        for burst in _bursts(items):
            events = Events(
                execution.run,
                execution.task,
                execution.attempt,
                execution.executor,
                execution.n,
                burst,
                execution.token,
            )
            execution.n += len(burst)
            batch.entries.append((execution.partition, execution.run, wire.encode(self._codec, events)))


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
