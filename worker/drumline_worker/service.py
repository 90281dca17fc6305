"""The worker service: take tasks, run nodes, answer. It only ties its parts together and gives them threads.

The threads of the task runner take tasks and run sync nodes (`runner`). Async nodes run on an event loop. One thread
sends (`sender`), one renews leases and beats (`keeper`), one listens for cancels (`ear`). So a node that blocks or
burns a core does not make the worker look dead. Each part has steps that do one thing without waiting. Its thread only
repeats them, and the simulation makes the same steps in an order of its own.

No thread ends alone: an error that it cannot go on from ends the worker.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import CACHE_BYTES_MAX, PRESENCE_TTL_MS, TASK_LEASE_MS
from drumline_transport.backoff import Pause
from drumline_transport.broker import WorkerVerbs
from drumline_transport.errors import ServerError
from drumline_worker.ear import Ear
from drumline_worker.handlers import flush_tracers
from drumline_worker.keeper import Keeper, Renewer
from drumline_worker.loop import LoopThread
from drumline_worker.metering import Meter
from drumline_worker.outbox import Outbox
from drumline_worker.registry import Registry
from drumline_worker.runner import TaskRunner
from drumline_worker.sender import Sender
from drumline_worker.table import Table
from drumline_worker.task_codec import TaskCodec
from drumline_worker.values import Values

log = logging.getLogger("drumline.worker")

#: Renewals within one lease. All but one of them may be lost or late.
RENEWALS = 4

#: How long a worker that ends tries to send its last results.
LAST_WORDS_S = 5.0


@dataclass(slots=True)
class WorkerSettings:
    """Settings of a worker. `concurrency` is how many tasks it runs at once (its slots), `cache_bytes` how many bytes
    of large values it may keep.
    """

    pools: Sequence[str] = ("default",)
    concurrency: int = 8
    task_lease_ms: int = TASK_LEASE_MS
    drain_s: float = 30.0
    cache_bytes: int = CACHE_BYTES_MAX


class Worker:
    """One worker process. `run()` returns after `stop()`, when the running tasks have ended or `drain_s` is over.

    `renewer` renews leases while user code holds the interpreter. Without one, a worker with such a node loses its
    tasks.
    """

    def __init__(
        self,
        broker: WorkerVerbs,
        registry: Registry,
        name: str,
        settings: WorkerSettings | None = None,
        *,
        on_ready: Callable[[], None] = lambda: None,
        renewer: Renewer | None = None,
        outbox: Outbox | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._broker = broker
        self._name = name
        self._settings = settings = settings or WorkerSettings()
        self._on_ready = on_ready
        self._renewer = renewer
        self._told: SimpleQueue[None] = SimpleQueue()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self.outbox = outbox or Outbox(registry.codec)
        self.table = Table(settings.concurrency, self.outbox)
        self.sender = Sender(broker, self.outbox, self.table, self._ended)
        self.values = Values(broker.read_values, settings.cache_bytes)
        codec = TaskCodec(registry, self.outbox, name, self.values, broker.partitions, meter=meter)
        self.runner = TaskRunner(
            broker, name, settings.pools, codec, self.outbox, self.table, self.sender, lambda n, f: self._thread(n, f)
        )
        self.keeper = Keeper(broker, self.table, name, settings.pools, registry.fingerprints, renewer)
        self.ear = Ear(broker, registry.codec, self.table, codec.calls)

    def stop(self) -> None:
        """Take no more tasks and drain; safe from a signal handler."""
        self._told.put(None)

    def run(self) -> None:
        """Serve until stopped; wait for a broker that is away. Raises the error that a thread could not go on from."""
        if not self._arrive():
            return
        loop = LoopThread("drumline-nodes", on_death=self._fail)
        sending = self._thread("drumline-send", self.sender.run)
        interval_s = self._settings.task_lease_ms / (RENEWALS * 1000)
        self._thread("drumline-keeper", lambda: self.keeper.run(interval_s, self._ended))
        self._thread("drumline-ctl", lambda: self.ear.run(self._ended))
        try:
            self._on_ready()
            self.runner.start(loop)
            self._told.get()
            self.runner.stop()
        finally:
            self._drain()
            self.outbox.close()
            sending.join(timeout=LAST_WORDS_S)
            flush_tracers(LAST_WORDS_S)
            self._ended.set()
            if self._renewer is not None:
                self._renewer.close()  # else it would register the worker again
            self._leave()
        if self._failure is not None:
            raise self._failure

    def _arrive(self) -> bool:
        """Register, so that coordinators know of this worker before it is ready. False if it was told to stop."""
        pause = Pause()
        while True:
            try:
                self.keeper.beat()
                return True
            except NoBroker as error:  # also: no coordinator has loaded the scripts yet
                pause.warn(log, f"the worker waits for the broker: {error}")
            with contextlib.suppress(Empty):
                self._told.get(timeout=pause.seconds())
                return False

    def _thread(self, name: str, target: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                target()
            except BaseException as error:
                if not self._ended.is_set():
                    self._fail(error)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, error: BaseException) -> None:
        """End the worker with this error. Other workers get its tasks."""
        self._failure = self._failure or error
        self.stop()
        self.table.wake()

    def _drain(self) -> None:
        if not self.table.wait_until_empty(self._settings.drain_s, lambda: self._failure is not None):
            log.warning(
                "%d tasks still run after %g s; other workers get them", len(self.table), self._settings.drain_s
            )

    def _leave(self) -> None:
        try:
            self._broker.leave("workers", self._name)
        except (NoBroker, ServerError) as error:
            log.warning(
                "could not deregister worker %s: %s; it will be listed for %g s",
                self._name,
                error,
                PRESENCE_TTL_MS / 1000,
            )
