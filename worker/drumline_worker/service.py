"""The worker service: take tasks, run nodes, answer. It only ties its parts together and gives them threads.

A crew takes tasks and runs sync nodes (`crew`); async nodes run on an event loop; one thread sends (`sender`); one
renews and beats (`keeper`); one listens for cancels (`ear`). So a node that blocks or burns a core does not make the
worker look dead. Each part has steps that do one thing without waiting; its thread only repeats them, and the
simulation takes the same steps in an order of its own.

No thread that serves ends alone: what it cannot go on from ends the worker, with that error.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import CACHE_BYTES_MAX, TASK_LEASE_MS
from drumline_transport.backoff import Pause
from drumline_transport.broker import WorkerVerbs
from drumline_transport.errors import ServerError
from drumline_worker.crew import Crew
from drumline_worker.desk import Desk
from drumline_worker.ear import Ear
from drumline_worker.handlers import flush_tracers
from drumline_worker.keeper import Keeper, Renewer
from drumline_worker.loop import LoopThread
from drumline_worker.outbox import Outbox
from drumline_worker.registry import Registry
from drumline_worker.sender import Sender
from drumline_worker.table import Table
from drumline_worker.values import Values

log = logging.getLogger("drumline.worker")

#: renewals within one lease: so many less one may be lost or late
RENEWALS = 4

#: how long the last results may take to leave a worker that ends
LAST_WORDS_S = 5.0


@dataclass(slots=True)
class WorkerSettings:
    """What a worker may be told. `concurrency` is the number of tasks at once, `cache_bytes` what it may keep of the
    large values that it has seen; times as the names say.
    """

    pools: Sequence[str] = ("default",)
    concurrency: int = 8
    task_lease_ms: int = TASK_LEASE_MS
    drain_s: float = 30.0
    cache_bytes: int = CACHE_BYTES_MAX


class Worker:
    """One worker process. `run()` returns after `stop()`, when the running tasks have ended or `drain_s` is over.

    `renewer` renews while user code holds the interpreter; without one, such a node loses its tasks.
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
        desk = Desk(registry, self.outbox, name, self.values, broker.partitions)
        self.crew = Crew(
            broker, name, settings.pools, desk, self.outbox, self.table, self.sender, lambda n, f: self._thread(n, f)
        )
        self.keeper = Keeper(broker, self.table, name, settings.pools, registry.fingerprints, renewer)
        self.ear = Ear(broker, registry.codec, self.table)

    def stop(self) -> None:
        """Take no more tasks and drain; safe from a signal handler."""
        self._told.put(None)

    def run(self) -> None:
        """Serve until stopped. A broker that is away is waited for. Raises what a thread could not go on from."""
        if not self._arrive():
            return
        loop = LoopThread("drumline-nodes", on_death=self._fail)
        sending = self._thread("drumline-send", self.sender.run)
        interval_s = self._settings.task_lease_ms / (RENEWALS * 1000)
        self._thread("drumline-keeper", lambda: self.keeper.run(interval_s, self._ended))
        self._thread("drumline-ctl", lambda: self.ear.run(self._ended))
        try:
            self._on_ready()
            self.crew.start(loop)
            self._told.get()
            self.crew.stop()
        finally:
            self._drain()
            self.outbox.close()
            sending.join(timeout=LAST_WORDS_S)
            flush_tracers(LAST_WORDS_S)
            self._ended.set()
            if self._renewer is not None:
                self._renewer.close()  # or it would bring back who has left
            self._leave()
        if self._failure is not None:
            raise self._failure

    def _arrive(self) -> bool:
        """Beat once, so that coordinators know of this worker before it is ready. False: it was told to stop."""
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
        """End the worker with this error. Its tasks are left to others."""
        self._failure = self._failure or error
        self.stop()
        self.table.wake()

    def _drain(self) -> None:
        if not self.table.wait_until_empty(self._settings.drain_s, lambda: self._failure is not None):
            log.warning("%d tasks are left to other workers", len(self.table))

    def _leave(self) -> None:
        try:
            self._broker.leave("workers", self._name)
        except (NoBroker, ServerError) as error:
            log.warning("left without a word: %s", error)
