"""The threads of a partition: which are busy, and who waits for them. No IO but the loader that is given.

Only what goes on now is in memory: threads that a run holds, those whose end is in a commit on its way, and requests
that wait. A thread that is idle or paused takes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from drumline_coordinator.opened import Loader
from drumline_coordinator.thread_loading import load_head
from drumline_protocol.codec import Codec
from drumline_protocol.keys import owner_of_thread
from drumline_protocol.limits import CACHE_BYTES_MAX
from drumline_protocol.messages import PruneThread
from drumline_protocol.threads import BUSY, ThreadHead
from drumline_transport.broker import QueueRow
from drumline_transport.cell_cache import Cache

#: what stands in place of a strategy in the row of a run that sleeps until its time has come
LATER = "later"

#: what this process has read of the cells of threads
SEEN = Cache(CACHE_BYTES_MAX)


class ThreadDesk:
    """Who holds and who waits for each thread. One for each partition, under one lease."""

    def __init__(self, loader: Loader, codec: Codec, partition: int, epoch: int) -> None:
        self._loader = loader
        self._codec = codec
        self._partition = partition
        self._epoch = epoch
        self._number = 0
        #: stands for the lease. A thread that was deleted may be begun anew, with the same numbers of versions: of that
        #: who has the lease knows
        self.life = object()
        self._is_read = False
        #: the open run that holds a thread
        self._holders: dict[str, str] = {}
        #: heads of threads that a run holds, or has left in a commit that may be on its way
        self._heads: dict[str, ThreadHead] = {}
        #: the number of the commit in which the last run of a thread ended
        self._ended: dict[str, int] = {}
        #: requests that wait, by their thread, and by their run
        self._waiting: dict[str, deque[QueueRow]] = {}
        self._rows: dict[str, QueueRow] = {}
        #: requests of runs that sleep, by their run
        self._asleep: dict[str, QueueRow] = {}
        #: what is asked of threads whose end is in a commit on its way
        self._postponed: list[PruneThread] = []

    # -- who holds a thread -------------------------------------------------------------------------

    def head(self, thread: str) -> ThreadHead:
        """The head of a thread. DecodeError, NoBroker."""
        found = self._heads.get(thread)
        return load_head(self._loader, self._codec, self._partition, thread) if found is None else found

    def holder(self, thread: str, head: ThreadHead) -> str:
        """The open run that holds a thread; "" if none does. NoBroker.

        A head may still say so of a run whose record is gone, or which was ended unread.
        """
        run = self._holders.get(thread, "")
        if not run and head.status == BUSY and thread not in self._heads:
            record = self._loader.load_run(self._partition, head.run)
            if record.get("status") == b"open":
                run = self._holders[thread] = head.run
        return run

    def begins(self, run_id: str, head: ThreadHead) -> None:
        """A run holds the thread from now on."""
        self._holders[head.id] = run_id
        self._heads[head.id] = head

    def ends(self, run_id: str, thread: str, number: int) -> bool:
        """Whether a run held the thread, which is free with commit `number`."""
        if self._holders.get(thread) != run_id:
            return False
        del self._holders[thread]
        self._ended[thread] = number
        return True

    def changes(self, head: ThreadHead, number: int) -> None:
        """Commit `number` changes a thread that no run holds."""
        self._heads[head.id] = head
        self._ended[head.id] = number

    def forget(self, thread: str) -> None:
        """The thread is deleted: what was read of it is of no thread that may come."""
        owner = owner_of_thread(thread)
        SEEN.forget(lambda name: type(name) is tuple and self.life in name and owner in name)

    def settle(self, answered: int) -> None:
        """Up to this commit the broker has answered: what it holds of these threads is true."""
        for thread in [thread for thread, number in self._ended.items() if number <= answered]:
            del self._ended[thread]
            if thread not in self._holders:
                self._heads.pop(thread, None)

    def is_settled(self, thread: str) -> bool:
        """Whether the broker holds all that was decided of a thread that no run holds."""
        return thread not in self._ended

    @property
    def is_unsettled(self) -> bool:
        """Whether there is a thread that no run holds of which that is not known yet."""
        return bool(self._ended)

    # -- what waits for the broker's answer alone ---------------------------------------------------

    def postpone(self, message: PruneThread) -> None:
        """Hand this out again once the broker holds all that was decided of its thread."""
        if message not in self._postponed:
            self._postponed.append(message)

    def take_postponed(self) -> list[PruneThread]:
        """What may be done now."""
        ready = [message for message in self._postponed if self.is_settled(message.thread)]
        self._postponed = [message for message in self._postponed if message not in ready]
        return ready

    # -- who waits ----------------------------------------------------------------------------------

    def read_queue(self) -> None:
        """Once under a lease: the requests that an owner before has let wait. NoBroker."""
        if self._is_read:
            return
        after = "-"
        while rows := self._loader.read_queue(self._partition, after):
            for row in rows:
                self._add(row)
            after = rows[-1].id
        for thread in self._waiting:
            self.holder(thread, self.head(thread))
        self._is_read = True

    def enqueue(self, thread: str, run_id: str, strategy: str, data: bytes) -> QueueRow:
        """A request waits from now on."""
        self._number += 1
        row = QueueRow(f"{self._epoch}-{self._number}", thread, run_id, strategy, data)
        self._add(row)
        return row

    def _add(self, row: QueueRow) -> None:
        if row.strategy == LATER:
            self._asleep[row.run_id] = row
            return
        self._waiting.setdefault(row.thread, deque()).append(row)
        self._rows[row.run_id] = row

    def leaves(self, run_id: str) -> QueueRow | None:
        """A request waits or sleeps no more; None if it did not."""
        if run_id in self._asleep:
            return self._asleep.pop(run_id)
        row = self._rows.pop(run_id, None)
        if row is not None:
            waiting = self._waiting[row.thread]
            waiting.remove(row)
            if not waiting:
                del self._waiting[row.thread]
        return row

    def waits(self, run_id: str) -> bool:
        """Whether a request waits or sleeps."""
        return run_id in self._rows or run_id in self._asleep

    def asleep(self, run_id: str) -> QueueRow | None:
        """The request of a run that sleeps; None if it does not."""
        return self._asleep.get(run_id)

    def next_on(self, thread: str) -> QueueRow | None:
        """The request that is next on a thread."""
        waiting = self._waiting.get(thread)
        return waiting[0] if waiting else None

    def waiting_on(self, thread: str) -> list[QueueRow]:
        """All that wait for a thread, and behind them those that sleep and will."""
        return [*self._waiting.get(thread, ()), *(row for row in self._asleep.values() if row.thread == thread)]

    def due(self) -> Iterator[QueueRow]:
        """The requests that may begin now: one for each thread that is free and settled."""
        for thread, waiting in list(self._waiting.items()):
            if thread not in self._holders and thread not in self._ended:
                yield waiting[0]

    @property
    def has_due(self) -> bool:
        """Whether there is such a request, or something postponed may be done."""
        if any(self.is_settled(message.thread) for message in self._postponed):
            return True
        return bool(self._waiting) and next(self.due(), None) is not None

    @property
    def awaits_reply(self) -> bool:
        """Whether a request waits for nothing but the answer to a commit."""
        if self._postponed:
            return True
        return any(thread in self._ended and thread not in self._holders for thread in self._waiting)
