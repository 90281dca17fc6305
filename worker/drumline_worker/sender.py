"""The sender: carries what the outbox gathers to the broker."""

from __future__ import annotations

import logging
import threading

from drumline_protocol.errors import NoBroker
from drumline_transport.backoff import Pause
from drumline_transport.broker import WorkerVerbs
from drumline_worker.outbox import Batch, Outbox
from drumline_worker.table import Table

log = logging.getLogger("drumline.worker")


class Sender:
    """Whoever claimed the outbox sends: its own thread (`run`), or a thread of the crew (`send_claimed`).

    `gather` and `send` are its steps: neither waits, but for the broker.
    """

    def __init__(self, broker: WorkerVerbs, outbox: Outbox, table: Table, ended: threading.Event) -> None:
        self._broker = broker
        self._outbox = outbox
        self._table = table
        self._ended = ended
        self._pause = Pause()
        #: taken from the outbox, and not known to be with the broker
        self.batch: Batch | None = None

    def run(self) -> None:
        """Send until the outbox is closed and empty."""
        while self._outbox.wait():
            self.send_claimed()

    def send_claimed(self) -> None:
        """Send what there is, again and again until the broker has it; then let go of the outbox."""
        try:
            self.gather()
            while self.batch is not None and not self._ended.is_set():
                try:
                    self.send()
                except NoBroker as error:  # the verb has been patient already
                    self._pause.warn(log, f"results wait for the broker: {error}")
                    self._pause.wait(self._ended)
                else:
                    self._pause.reset()
        finally:
            self._outbox.release()

    def gather(self) -> None:
        """Take all there is to send, if nothing is on its way."""
        if self.batch is None:
            self.batch = self._outbox.take()

    def send(self) -> None:
        """Write the batch once. NoBroker: it stays, to be written again; repeats do no harm."""
        batch = self.batch
        if batch is None:
            return
        if batch.entries or batch.done:
            try:
                if batch.blobs:
                    self._broker.put_blobs(batch.blobs)
                    batch.blobs = []  # the broker has them
                self._broker.publish(batch.entries, batch.done)
            except NoBroker:
                raise
            except Exception as error:  # one of its keys: the others must not suffer
                self._send_apart(batch, error)
        self.batch = None
        for slot in batch.finished:
            self._table.finish(slot)

    def _send_apart(self, batch: Batch, error: Exception) -> None:
        """Write each partition's entries by themselves. What is refused is dropped: its tasks' leases run out, and the
        coordinator decides.
        """
        partitions = dict.fromkeys(p for p, _, _ in batch.entries)
        owners = {(slot.pool, slot.entry): slot.partition for slot in batch.finished}
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
