"""The keeper: renews the leases of the tasks that run in a worker, and beats so that the worker counts as present."""

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
from drumline_worker.table import Table

log = logging.getLogger("drumline.worker")


class Renewer(Protocol):
    """Renews in place of this process while user code holds the interpreter."""

    def tell(self, info: bytes) -> None:
        """This process lives and has just renewed. `info` is its heartbeat."""
        ...

    def close(self) -> None:
        """Renew no more."""
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
        """A turn in each interval, until `ended`."""
        while not ended.wait(interval_s):
            self.turn()

    def turn(self) -> None:
        """Renew and beat. When the broker refuses one of them, the other is done all the same.

        Calls of `@task`s that have waited for long are asked for again.
        """
        for step in (self.renew, self.beat):
            try:
                step()
            except (NoBroker, ServerError) as error:
                self._pause.warn(log, f"leases wait for the broker: {error}")
        for execution in self._table.callers():
            execution.calls.ask_again()

    def renew(self) -> None:
        """Renew what runs here. Cancel executions whose entry another worker has, or which a coordinator withdrew."""
        held = self._table.entries()
        if not held:
            return
        kept = self._broker.renew(self._name, list(held))
        lost = [execution for key, executions in held.items() if key not in kept for execution in executions]
        for execution in lost:
            execution.lost = not execution.cancelled
        for execution in self._table.cancel(lost):
            log.warning(
                "%s, is cancelled: worker %s does not hold its entry %s of pool %s any more "
                "(it was not renewed in time, or the run is over)",
                *(execution, execution.executor, execution.entry, execution.pool),
            )

    def beat(self) -> None:
        """Register this worker as present."""
        info = json.dumps({**self._info, "running": len(self._table)}).encode()
        if self._renewer is not None:
            self._renewer.tell(info)
        self._broker.beat("workers", self._name, info)
