"""What waits for partitions that cannot be reached while a worker goes on with the others. On a Redis Cluster only.

The order within a partition is kept: what comes for a partition that waits is put behind what waits already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from drumline_protocol.errors import NoBroker
from drumline_transport.backoff import Pause
from drumline_worker.outbox import Batch

#: With more bytes than this the worker takes nothing out of its outbox, so that nodes that write wait.
HELD_BYTES_MAX = 16 * 1024 * 1024


class HeldBack:
    """Parts of batches, by partition. Used by the sender."""

    def __init__(self) -> None:
        self._parts: dict[int, Batch] = {}
        self._pause = Pause()
        self._not_before = 0.0

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be put in."""
        parts = self._parts.values()
        return sum(len(data) for part in parts for _, _, data in (*part.entries, *part.blobs)) > HELD_BYTES_MAX

    @property
    def wait_s(self) -> float:
        """Seconds until it is time to try again."""
        return max(0.0, self._not_before - time.monotonic())

    def part(self, batch: Batch, partitions: Collection[int] = ()) -> Batch:
        """Hold back what a batch has for `partitions` and for those that wait already. Returns the rest of it."""
        waiting = {*self._parts, *partitions}
        owners = {(execution.pool, execution.entry): execution.partition for execution in batch.finished}
        for p in waiting:
            own = self._parts.setdefault(p, Batch())
            own.entries += [entry for entry in batch.entries if entry[0] == p]
            own.blobs += [blob for blob in batch.blobs if blob[0] == p]
            own.done += [entry for entry in batch.done if owners.get(entry) == p]
            own.finished += [execution for execution in batch.finished if execution.partition == p]
        if partitions:
            self._later()
        return Batch(
            [entry for entry in batch.entries if entry[0] not in waiting],
            [entry for entry in batch.done if owners.get(entry) not in waiting],
            [execution for execution in batch.finished if execution.partition not in waiting],
            [blob for blob in batch.blobs if blob[0] not in waiting],
        )

    def retry(self, send: Callable[[Batch], None]) -> None:
        """If it is time, `send` each part once. A part that cannot be sent waits on."""
        if self.wait_s:
            return
        for p, part in list(self._parts.items()):
            try:
                send(part)
            except NoBroker:
                continue
            del self._parts[p]
        if self._parts:
            self._later()
        else:
            self._pause.reset()

    def _later(self) -> None:
        self._not_before = time.monotonic() + self._pause.seconds()
