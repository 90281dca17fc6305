"""The sender: carries what the outbox gathers to the broker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from drumline_protocol.errors import NoBroker
from drumline_transport.backoff import Pause
from drumline_transport.broker import WorkerVerbs
from drumline_transport.errors import PartlyAway
from drumline_worker.held_back import HeldBack
from drumline_worker.outbox import Batch, Outbox
from drumline_worker.table import Table

log = logging.getLogger("drumline.worker")


class Sender:
    """Sends for whoever has claimed the sender role: the send thread (`run`), or a thread of the task runner.

    `gather` and `send` are its steps. Neither waits for anything but the broker.
    """

    def __init__(self, broker: WorkerVerbs, outbox: Outbox, table: Table, ended: threading.Event) -> None:
        self._broker = broker
        self._outbox = outbox
        self._table = table
        self._ended = ended
        self._pause = Pause()
        #: what was taken from the outbox and may not have reached the broker
        self.batch: Batch | None = None
        #: what waits for partitions that cannot be reached
        self.held_back = HeldBack()

    def run(self) -> None:
        """Send until the outbox is closed and empty."""
        while self._outbox.wait():
            self.send_claimed()

    def send_claimed(self) -> None:
        """Send until the broker has all there is. Then give the sender role back."""
        try:
            self.gather()
            while (self.batch is not None or self.held_back) and not self._ended.is_set():
                try:
                    self.send()
                except NoBroker as error:  # the verb has been patient already
                    self._pause.warn(log, f"results wait for the broker: {error}")
                    self._pause.wait(self._ended)
                else:
                    self._pause.reset()
                if self.held_back:
                    self._go_on()
        finally:
            self._outbox.release()

    def _go_on(self) -> None:
        """Gather for the partitions that can be reached, until it is time to try the others again."""
        if self.held_back.is_full:
            self._ended.wait(self.held_back.wait_s)
        else:
            self._outbox.wait_for_more(self.held_back.wait_s)
            self.gather()

    def gather(self) -> None:
        """Take all there is to send, if nothing is on its way."""
        if self.batch is None:
            self.batch = self._outbox.take_batch()

    def send(self) -> None:
        """Write the batch once. After NoBroker it stays and is written again; repeats do no harm."""
        if self.held_back:
            self.held_back.retry(self._store)
            if self.batch is not None:
                self.batch = self.held_back.part(self.batch)
        while (batch := self.batch) is not None:
            try:
                self._store(batch)
                self.batch = None
            except PartlyAway as away:
                self._pause.warn(log, f"results wait for a part of the broker: {away}")
                self._hold_back(batch, away.partitions)

    def _hold_back(self, batch: Batch, partitions: Collection[int]) -> None:
        """Keep what a batch has for these partitions for later. The other partitions have got their part of it."""
        held_by_blobs = bool(batch.blobs)
        rest = self.held_back.part(batch, partitions)
        rest.blobs = []
        if held_by_blobs:  # the blobs are written first, and the entries of no partition were published yet
            self.batch = rest
            return
        self.batch = None
        for execution in rest.finished:
            self._table.finish(execution)

    def _store(self, batch: Batch) -> None:
        if batch.entries or batch.done:
            try:
                if batch.blobs:
                    self._broker.put_blobs(batch.blobs)
                    batch.blobs = []  # the broker has them
                self._broker.publish(batch.entries, batch.done)
            except NoBroker:
                raise
            except Exception as error:  # one key is bad; the partitions of the other keys must not suffer
                self._send_apart(batch, error)
        for execution in batch.finished:
            self._table.finish(execution)

    def _send_apart(self, batch: Batch, error: Exception) -> None:
        """Write the entries of each partition by themselves. What the broker refuses is dropped.

        The leases of those tasks run out, and the coordinator decides what follows.
        """
        partitions = dict.fromkeys(p for p, _, _ in batch.entries)
        owners = {(execution.pool, execution.entry): execution.partition for execution in batch.finished}
        for partition in partitions:
            entries = [entry for entry in batch.entries if entry[0] == partition]
            done = [entry for entry in batch.done if owners.get(entry) == partition]
            if len(partitions) > 1:
                try:
                    self._broker.put_blobs([blob for blob in batch.blobs if blob[0] == partition])
                    self._broker.publish(entries, done)
                    continue
                except NoBroker:
                    raise
                except Exception as own:
                    error = own
            self._pause.warn(log, f"results of {len(done)} tasks for partition {partition} are dropped: {error}")
