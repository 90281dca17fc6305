"""The coordinator service: lease partitions, read their inboxes, commit. Thin: decisions are in `partition` and `run`.

It has two threads. The main loop reads, handles and commits; it never waits for the reply of a commit before it reads
on. The keeper (`keeper.py`) renews leases, so that a slow reducer in the main loop does not cost the lease.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from drumline_coordinator.alarms import Alarms
from drumline_coordinator.apps import Apps
from drumline_coordinator.intake import Intake
from drumline_coordinator.keeper import Keeper
from drumline_coordinator.metering import Counts, Meter, Spans
from drumline_coordinator.partition import Partition
from drumline_coordinator.troubles import Troubles
from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import (
    COORDINATOR_LEASE_MS,
    LOST_SWEEP_MS,
    POISON_TRIES_MAX,
    RETENTION_SWEEP_MS,
    RUN_LOG_BYTES_MAX,
    TASK_LEASE_MS,
)
from drumline_protocol.retention import Retention
from drumline_transport.backoff import Pause
from drumline_transport.broker import REQUESTS, Commit, CommitReply, InboxEntry, Lease, Position
from drumline_transport.errors import ServerError
from drumline_transport.instruments import Instruments
from drumline_transport.keeper_verbs import KeeperVerbs

log = logging.getLogger("drumline.coordinator")

#: How long one read of the inboxes waits. The loop notices a refused commit or a new partition within this time.
READ_BLOCK_MS = 200

#: An id that is further ahead of the broker's clock than this was not given by the broker.
FUTURE_MS = 60_000

#: With more commits on their way than this, the loop waits for replies first.
COMMITS_OUTSTANDING_MAX = 256


@dataclass(slots=True)
class CoordinatorSettings:
    """Settings of a coordinator. Times are in milliseconds."""

    lease_ms: int = COORDINATOR_LEASE_MS
    task_lease_ms: int = TASK_LEASE_MS
    #: how often each open run is looked at for lost tasks
    lost_sweep_ms: int = LOST_SWEEP_MS
    #: bytes of events and state that one run may write
    run_log_bytes: int = RUN_LOG_BYTES_MAX
    #: what is kept of threads whose graph, and who, says nothing else; None: all
    retention: Retention | None = None
    #: how often threads are looked at
    retention_sweep_ms: int = RETENTION_SWEEP_MS


class Coordinator:
    """One coordinator process. `run()` returns after `stop()`; leases are given back then."""

    def __init__(
        self,
        broker: KeeperVerbs,
        apps: Apps,
        name: str,
        settings: CoordinatorSettings | None = None,
        *,
        on_ready: Callable[[], None] = lambda: None,
        steady_ms: Callable[[], float] | None = None,
        counts: Counts | None = None,
        spans: Spans | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self._broker = broker
        self._troubles = Troubles(log, time.monotonic)
        self._intake = Intake(broker, self._troubles, time.monotonic)
        self._alarms = Alarms(broker, apps.codec, self._troubles, steady_ms or monotonic_ms)
        is_metered = not (counts is None and spans is None and instruments is None)
        self._meter = Meter(counts, spans, instruments) if is_metered else None
        self._spans = spans
        self._apps = apps
        self._settings = settings or CoordinatorSettings()
        self._partitions: dict[int, Partition] = {}
        #: what the keeper leased or lost, and this loop has not taken in yet
        self._changes: deque[Lease | int] = deque()
        #: partitions just taken over: their first batch is handled with care
        self._fresh: set[int] = set()
        self._stopping = threading.Event()
        self._on_ready = on_ready
        self.keeper = Keeper(broker, apps, name, self._settings)

    def stop(self) -> None:
        """Ask the service to end; safe from a signal handler."""
        self._stopping.set()
        self.keeper.wake()

    def run(self) -> None:
        """Serve until stopped. A broker that is away is waited for. Raises what ended the keeper."""
        keeper = threading.Thread(target=self.keeper.run, name="drumline-keeper", daemon=True)
        keeper.start()
        pause = Pause()
        try:
            self._on_ready()
            while not self._stopping.is_set():
                try:
                    if not self.turn():
                        self.keeper.changed.wait(READ_BLOCK_MS / 1000)
                    pause.reset()
                except (NoBroker, ServerError) as error:
                    pause.warn(log, f"the coordinator waits for the broker: {error}")
                    pause.wait(self._stopping)
        finally:
            self._flush()
            self.keeper.stop()
            keeper.join(timeout=5)

    # -- one turn of the loop -----------------------------------------------------------------------

    def turn(self) -> bool:
        """Read, handle and commit once; False if there is no partition to work on.

        `run` repeats it; the simulator calls it by itself.
        """
        self._adopt()
        if self.keeper.failure is not None:
            raise self.keeper.failure
        if not self._partitions:
            self._hear_replies(0)
            return False
        waiting = any(partition.has_more for partition in self._partitions.values())
        after = {index: partition.position for index, partition in self._partitions.items()}
        self._alarms.ring()
        entries = self._intake.read(after, 0 if waiting else self._block_ms())
        if entries and any(partition.is_unsettled for partition in self._partitions.values()):
            # Who has read the end of a run may ask for the next one on its thread before its commit was heard of here.
            self._hear_replies(0)
        batches: dict[int, list[InboxEntry]] = {}
        for entry in entries:
            batches.setdefault(entry.partition, []).append(entry)
        for index, partition in list(self._partitions.items()):
            batch = batches.get(index, [])
            if batch and index in self._fresh:
                self._handle_first(partition, batch)
            elif batch or partition.has_more:
                self._handle(partition, batch)
            else:
                partition.rest(self._alarms.now_ms(index))
        waits = self._broker.outstanding > COMMITS_OUTSTANDING_MAX
        waits = waits or any(partition.awaits_reply for partition in self._partitions.values())
        self._hear_replies(READ_BLOCK_MS if waits else 0)
        return True

    def _block_ms(self) -> int:
        """How long a read may wait: until the next timer at most."""
        return math.ceil(min(READ_BLOCK_MS, self._alarms.rest_ms()))

    @property
    def is_due(self) -> bool:
        """Whether a timer is due, or something the keeper said was not taken in."""
        return bool(self._changes) or self._alarms.rest_ms() <= 0

    def _handle(self, partition: Partition, batch: list[InboxEntry]) -> None:
        try:
            commit = partition.handle(batch, self._alarms.now_ms(partition.index))
            if commit is not None:
                self._send(partition, commit, batch)
                if commit.timers or commit.timers_done:
                    self._alarms.committed(partition.index, commit.timers, commit.timers_done)
        except NoBroker:
            self._forget(partition.index)
            raise
        except Exception as error:
            # The entries are handled again, one by one: whichever is to blame is found and set aside.
            text = f"partition {partition.index} is read again after {error!r}"
            self._troubles.tell(f"{partition.index} {error!r}", text, level=logging.ERROR, error=error)
            self._forget(partition.index)
            return
        forged = [entry for entry in batch if entry.source == REQUESTS and self._is_of_the_future(entry)]
        if forged:
            self._renew_requests(partition, forged[-1])

    def _send(self, partition: Partition, commit: Commit, batch: list[InboxEntry]) -> None:
        self._broker.send_commit(commit)
        if self._meter is not None:
            self._meter.sent(commit, partition.told, batch, self._alarms.now_ms(partition.index))

    def _is_of_the_future(self, entry: InboxEntry) -> bool:
        """Whether a client gave its request an id that no clock has come to, so that ids may run out behind it."""
        bound_ms = FUTURE_MS + self._alarms.now_ms(entry.partition)
        ms = int(entry.id.partition("-")[0])
        return ms > bound_ms and ms > FUTURE_MS + self._broker.time_ms()

    def _renew_requests(self, partition: Partition, entry: InboxEntry) -> None:
        self._await_replies()
        lease = partition.lease
        if self._broker.renew_requests(partition.index, lease.nonce, lease.epoch, entry.id):
            log.warning("the requests of partition %d begin anew: somebody wrote %s", partition.index, entry.name)
            partition.position = Position(partition.position.inbox)

    def _handle_first(self, partition: Partition, batch: list[InboxEntry]) -> None:
        """The first batch after a takeover. The former owner may have died of it, so that it is tried is noted first.

        If a batch that begins here was tried before, its entries are handled one at a time, each with a count of its
        own: so poison is found and set aside.
        """
        index = partition.index
        self._fresh.discard(index)
        if not partition.lease.tries:
            if self._note_try(partition, batch[0]):
                self._handle(partition, batch)
            return
        for entry in batch:
            tries = self._note_try(partition, entry)
            if not tries:
                return
            if tries >= POISON_TRIES_MAX:
                self._send(partition, partition.poison(entry, tries, self._alarms.now_ms(index)), [entry])
            else:
                self._handle(partition, [entry])
            self._await_replies()
            if index not in self._partitions:
                return

    def _note_try(self, partition: Partition, entry: InboxEntry) -> int:
        """Count a try of an entry; 0, and the partition is given up, if the lease is not held any more."""
        index, lease = partition.index, partition.lease
        try:
            tries = self._broker.note_try(index, lease.nonce, lease.epoch, entry.name)
        except ServerError as error:
            self._troubles.tell(f"lease {index}", f"the lease of partition {index} cannot be written: {error.text}")
            tries = 0
        if not tries:
            self._forget(index)
        return tries

    def _await_replies(self) -> None:
        while self._broker.outstanding and not self._stopping.is_set():
            self._hear_replies(READ_BLOCK_MS)

    def _hear_replies(self, block_ms: int) -> None:
        for reply in self._broker.poll_commits(block_ms):
            self._on_reply(reply)

    def _on_reply(self, reply: CommitReply) -> None:
        partition = self._partitions.get(reply.partition)
        if partition is None:
            return
        if reply.status in ("applied", "already"):
            partition.progressed = partition.progressed or reply.status == "applied"
            partition.answered = reply.number
            if self._meter is not None:
                self._meter.answered(reply.partition, reply.number)
        elif reply.status == "diverged":
            log.warning("partition %d is lost: %s", reply.partition, reply.detail)
            self._forget(reply.partition)

    # -- leases ---------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Take in what the keeper leased or lost, in its order. If the broker is away the next turn goes on there."""
        self._changes.extend(self.keeper.changes())
        while self._changes:
            change = self._changes[0]
            if isinstance(change, Lease):
                index = change.partition
                self._alarms.adopt(index)
                self._partitions[index] = Partition(
                    change,
                    self._apps,
                    self._broker,
                    holders=self.keeper.holders,
                    retry_later=self.keeper.retry_later,
                    log_bytes_max=self._settings.run_log_bytes,
                    retention=self._settings.retention,
                    is_counted=self._meter is not None,
                    spans=self._spans,
                )
                if self._meter is not None:
                    self._meter.lost(index)
                    self._meter.leased(change)
                self._fresh.add(index)
            else:
                self._alarms.drop(change)
                if self._partitions.pop(change, None) is not None:
                    self._await_replies()
                self.keeper.let_go(change)
            self._changes.popleft()
        for index, partition in list(self._partitions.items()):
            server = self._broker.server_id(index)
            if server and partition.lease.server != server:
                log.warning("the broker restarted: partition %d is leased again", index)
                self._forget(index)

    def _forget(self, index: int) -> None:
        """Throw decoded state away and lease the partition again."""
        partition = self._partitions.pop(index, None)
        self._alarms.drop(index)
        self.keeper.lost(index, partition is not None and partition.progressed)

    def _flush(self) -> None:
        deadline = time.monotonic() + 2
        while self._broker.outstanding and time.monotonic() < deadline:
            self._broker.poll_commits(READ_BLOCK_MS)

    @property
    def leases(self) -> list[Lease]:
        """The leases that the main loop works under now."""
        return [partition.lease for partition in self._partitions.values()]


def monotonic_ms() -> float:
    """Milliseconds of a clock that never jumps. What the time is, for leases, timers and people, Redis TIME tells."""
    return time.monotonic() * 1000
