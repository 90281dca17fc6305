"""The keeper: says that the worker is there, and renews what runs in it."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from drumline_protocol.errors import NoBroker
from drumline_transport.backoff import Pause
from drumline_transport.broker import WorkerVerbs
from drumline_transport.errors import ServerError
from drumline_worker.outbox import Slot
from drumline_worker.table import Table

log = logging.getLogger("drumline.worker")


class Renewer(Protocol):
    """Who renews while this process is too busy to: user code holds the interpreter."""

    def tell(self, info: bytes) -> None:
        """This process lives and has just renewed; `info` is its heartbeat."""
        ...

    def close(self) -> None:
        """There is nothing left to renew."""
        ...


class Keeper:
    """`renew` and `beat` are its steps; `run` repeats them each quarter of a lease."""

    def __init__(
        self,
        broker: WorkerVerbs,
        table: Table,
        name: str,
        pools: Sequence[str],
        fingerprints: Callable[[], dict[str, str]],
        renewer: Renewer | None,
    ) -> None:
        self._broker = broker
        self._table = table
        self._name = name
        self._renewer = renewer
        self._info = {
            "pools": list(pools),
            "graphs": fingerprints(),
            "concurrency": table.size,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        self._pause = Pause()

    def run(self, interval_s: float, ended: threading.Event) -> None:
        """Keep until `ended`."""
        while not ended.wait(interval_s):
            self.turn()

    def turn(self) -> None:
        """One round. A step that the broker refuses does not keep the other one from being made."""
        for step in (self.renew, self.beat):
            try:
                step()
            except (NoBroker, ServerError) as error:
                self._pause.warn(log, f"leases wait for the broker: {error}")

    def renew(self) -> None:
        """Renew what runs here; what is not ours any more was given to somebody else, or withdrawn."""
        held = self._table.entries()
        if not held:
            return
        kept = self._broker.renew(self._name, list(held))
        lost: list[Slot] = [slot for key, slots in held.items() if key not in kept for slot in slots]
        for slot in lost:
            slot.lost = not slot.void
        for slot in self._table.void(lost):
            log.warning(
                "attempt %d of node %r, task %s of run %s, is for nothing: worker %s does not hold its entry %s of "
                "pool %s any more (it was not renewed in time, or the run is over)",
                *(slot.attempt, slot.node, slot.task, slot.run, slot.executor, slot.entry, slot.pool),
            )

    def beat(self) -> None:
        """Say that this worker is there."""
        info = json.dumps({**self._info, "running": len(self._table)}).encode()
        if self._renewer is not None:
            self._renewer.tell(info)
        self._broker.beat("workers", self._name, info)
