"""The worker service: take tasks, run nodes, answer. Thin: protocol is in `desk`, nodes run in `node`.

Threads: a crew takes tasks and runs sync nodes, one of them taking at a time (`_serve`); async nodes run on an event
loop; one thread sends; one renews and beats; one listens for cancels. So a node that blocks or burns a core does not
make the worker look dead.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from drumline_graph.errors import DrumlineError
from drumline_protocol import wire
from drumline_protocol.errors import NoBroker, ProtocolTooNew
from drumline_protocol.limits import TASK_LEASE_MS
from drumline_protocol.messages import Cancel, TaskMessage
from drumline_transport.broker import WorkerVerbs
from drumline_worker.blobs import BlobCache
from drumline_worker.desk import Desk
from drumline_worker.job import Job
from drumline_worker.loop import LoopThread
from drumline_worker.node import Answer, arun_job, failed, run_job
from drumline_worker.outbox import Batch, Outbox, Slot
from drumline_worker.registry import Registry

log = logging.getLogger("drumline.worker")

#: how long one take waits: also how soon a worker that is told to stop stops taking
TAKE_BLOCK_MS = 500

#: a worker takes at most this part of its concurrency at once: a small fan-out is to spread over workers
TAKE_PARTS = 4

#: how long one read of the control stream waits
CTL_BLOCK_MS = 1000

#: pause before a write is tried again that the broker refuses for now
RETRY_S = 0.5


@dataclass(slots=True)
class WorkerSettings:
    """What a worker may be told. `concurrency` is the number of tasks at once; times as the names say."""

    pools: Sequence[str] = ("default",)
    concurrency: int = 8
    task_lease_ms: int = TASK_LEASE_MS
    drain_s: float = 30.0


class Worker:
    """One worker process. `run()` returns after `stop()`, when the running tasks have ended or `drain_s` is over."""

    def __init__(
        self,
        broker: WorkerVerbs,
        registry: Registry,
        name: str,
        settings: WorkerSettings | None = None,
        *,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._registry = registry
        self._name = name
        self._settings = settings or WorkerSettings()
        self._outbox = Outbox(registry.codec)
        self._desk = Desk(registry, self._outbox, name, BlobCache(self._broker.get_blob))
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], tuple[Slot, Future[Any] | None]] = {}
        #: a task has ended: there is a free slot
        self._freed = threading.Condition(self._lock)
        #: threads of the crew that run no node
        self._spare = 0
        #: held by the thread of the crew that takes; `_taken` is what it got and nobody has begun
        self._turn = threading.Lock()
        self._taken: deque[tuple[Slot, TaskMessage]] = deque()
        self._stopping = threading.Event()
        self._told: SimpleQueue[None] = SimpleQueue()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._on_ready = on_ready

    def stop(self) -> None:
        """Take no more tasks and drain; safe from a signal handler."""
        self._stopping.set()
        self._told.put(None)

    def run(self) -> None:
        """Serve until stopped. A broker that is away is waited for. Raises `ProtocolTooNew`, `ServerError`, ..."""
        self._loop = LoopThread("drumline-nodes")
        after = self._broker.last_ctl()
        self._beat()
        helpers = [
            self._thread("drumline-send", self._send),
            self._thread("drumline-keeper", self._keep),
            self._thread("drumline-ctl", self._listen, after),
        ]
        try:
            self._on_ready()
            self._enlist()
            self._told.get()
            with self._turn:
                pass  # whoever takes has come back, and what it got is running
        finally:
            self._drain()
            self._outbox.close()
            helpers[0].join(timeout=5)
            self._ended.set()
            self._quietly(lambda: self._broker.leave("workers", self._name))
        if self._failure is not None:
            raise self._failure

    def _thread(self, name: str, target: Callable[..., None], *args: Any) -> threading.Thread:
        def guarded() -> None:
            try:
                target(*args)
            except BaseException as error:
                if not self._ended.is_set():
                    self._fail(error)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self.stop()

    # -- the crew -------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Take a task and run it, again and again, while another thread takes the next one.

        So a sync task stays on one thread from its entry to its answer: waking another costs more than all the rest.
        """
        while (taken := self._next()) is not None:
            slot, message = taken
            job = self._desk.job(slot, message)
            if job is None:
                continue
            if job.needs_loop:
                self._start(slot, job)
                continue
            with self._lock:
                self._spare -= 1
                alone = not self._spare
            if alone:
                self._enlist()
            self._run(slot, job)
            with self._lock:
                self._spare += 1
        with self._lock:
            self._spare -= 1

    def _enlist(self) -> None:
        """One more thread for the crew. There is one for each sync node that runs, and one that takes."""
        with self._lock:
            self._spare += 1
        self._thread("drumline-node", self._serve)

    def _next(self) -> tuple[Slot, TaskMessage] | None:
        """A task to begin; None when there will be no more."""
        while self._taken or not self._stopping.is_set():
            with suppress(IndexError):  # nothing is left: another thread was faster
                return self._taken.popleft()
            with self._turn, suppress(IndexError):
                if not self._taken and not self._stopping.is_set():
                    self._take()
                return self._taken.popleft()
        return None

    def _take(self) -> None:
        """Wait for a free slot, then for tasks: no more than are free, and not all at once, so that others get some."""
        with self._lock:
            free = self._settings.concurrency - len(self._running)
            if free <= 0:
                self._freed.wait(TAKE_BLOCK_MS / 1000)
                return
        try:
            count = min(free, -(-self._settings.concurrency // TAKE_PARTS))
            deliveries = self._broker.take(list(self._settings.pools), self._name, count, TAKE_BLOCK_MS)
        except NoBroker as error:  # the verb has been patient already
            log.warning("waiting for the broker: %s", error)
            return
        for delivery in deliveries:
            try:
                opened = self._desk.open(delivery)
            except ProtocolTooNew as error:
                self._fail(error)
                return
            if opened is not None:
                slot = opened[0]
                with self._lock:
                    self._running[slot.pool, slot.entry] = (slot, None)
                self._taken.append(opened)

    # -- running --------------------------------------------------------------------------------------

    def _run(self, slot: Slot, job: Job) -> None:
        answer: Answer
        try:
            answer = run_job(job)
        except BaseException as error:  # SystemExit and its like end a task, not the worker
            answer = failed(job, error)
        data = self._desk.seal(slot, answer)
        # The node is done. If its thread has nothing else to do, it sends by itself, unless somebody sends just now.
        sends = not self._taken and self._outbox.claim()
        self._outbox.answer(slot, data)
        if sends:
            self._send_claimed()

    def _start(self, slot: Slot, job: Job) -> None:
        future = self._loop.submit(self._arun(slot, job))
        with self._lock:
            if (slot.pool, slot.entry) in self._running:
                self._running[slot.pool, slot.entry] = (slot, future)
        if slot.void:
            future.cancel()

    async def _arun(self, slot: Slot, job: Job) -> None:
        answer: Answer
        try:
            answer = await arun_job(job)
        except BaseException as error:
            answer = failed(job, error)
        self._desk.answer(slot, answer)

    def _finish(self, slot: Slot) -> None:
        with self._lock:
            self._running.pop((slot.pool, slot.entry), None)
            self._freed.notify_all()

    def _cancel(self, slots: Sequence[Slot]) -> None:
        """The attempts are void: async code is cancelled, sync code runs out unheard."""
        for slot in slots:
            self._outbox.void(slot)
            with self._lock:
                _, future = self._running.get((slot.pool, slot.entry), (slot, None))
            if future is not None:
                future.cancel()

    # -- the other threads ----------------------------------------------------------------------------

    def _send(self) -> None:
        while self._outbox.wait():
            self._send_claimed()

    def _send_claimed(self) -> None:
        try:
            batch = self._outbox.take()
            if batch is None:
                return
            if batch.entries or batch.done:
                self._publish(batch)
            for slot in batch.finished:
                self._finish(slot)
        finally:
            self._outbox.release()

    def _publish(self, batch: Batch) -> None:
        """Write until the broker has it: repeats do no harm. Given up only when the worker has ended."""
        while not self._ended.is_set():
            try:
                self._broker.publish(batch.entries, batch.done)
                return
            except NoBroker as error:
                log.warning("results wait for the broker: %s", error)
                self._ended.wait(RETRY_S)

    def _keep(self) -> None:
        interval = self._settings.task_lease_ms / 4000
        while not self._ended.wait(interval):
            try:
                self._beat()
                self._renew()
            except NoBroker as error:
                log.warning("leases wait for the broker: %s", error)

    def _renew(self) -> None:
        """Renew what runs here; what is not ours any more was given to somebody else."""
        with self._lock:
            held = {key: slot for key, (slot, _) in self._running.items()}
        if not held:
            return
        kept = self._broker.renew(self._name, list(held))
        lost = [slot for key, slot in held.items() if key not in kept]
        with self._lock:
            lost = [slot for slot in lost if (slot.pool, slot.entry) in self._running]
        self._cancel(lost)

    def _beat(self) -> None:
        info = {
            "pools": list(self._settings.pools),
            "graphs": self._registry.fingerprints(),
            "concurrency": self._settings.concurrency,
            "running": len(self._running),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        self._broker.beat("workers", self._name, json.dumps(info).encode())

    def _listen(self, after: str) -> None:
        while not self._ended.is_set():
            try:
                messages = self._broker.read_ctl(after, CTL_BLOCK_MS)
            except NoBroker:
                continue  # the other threads say so
            for entry_id, data in messages:
                after = entry_id
                try:
                    message = wire.decode(self._registry.codec, data)
                except DrumlineError as error:
                    log.error("control message %s set aside: %s", entry_id, error)
                    continue
                if isinstance(message, Cancel):
                    with self._lock:
                        slots = [
                            slot
                            for slot, _ in self._running.values()
                            if slot.run == message.run and (not message.tasks or slot.task in message.tasks)
                        ]
                    self._cancel(slots)

    # -- ending ---------------------------------------------------------------------------------------

    def _drain(self) -> None:
        deadline = time.monotonic() + self._settings.drain_s
        with self._lock:
            while self._running:
                left = deadline - time.monotonic()
                if left <= 0 or self._failure is not None:
                    log.warning("%d tasks are left to other workers", len(self._running))
                    break
                self._freed.wait(left)

    def _quietly(self, action: Callable[[], None]) -> None:
        try:
            action()
        except NoBroker as error:
            log.warning("left without a word: %s", error)
