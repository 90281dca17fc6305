"""The crew: takes tasks and runs them.

Its threads take and run sync nodes, one of them taking at a time; async nodes run on an event loop. A sync task stays
on one thread from its entry to its answer: waking another costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from drumline_protocol.errors import NoBroker
from drumline_protocol.messages import TaskMessage
from drumline_transport.backoff import Pause
from drumline_transport.broker import Delivery, WorkerVerbs
from drumline_transport.errors import ServerError
from drumline_worker.desk import Desk
from drumline_worker.job import Job
from drumline_worker.loop import LoopThread
from drumline_worker.node import Answer, arun_job, failed, run_job
from drumline_worker.outbox import Outbox, Slot
from drumline_worker.sender import Sender
from drumline_worker.suspects import Suspects, Taken
from drumline_worker.table import Table

log = logging.getLogger("drumline.worker")

#: how long one take waits: also how soon a worker that is told to stop stops taking
TAKE_BLOCK_MS = 500

#: a worker takes at most this part of its concurrency at once: a small fan-out is to spread over workers
TAKE_PARTS = 4


class Crew:
    """`take`, `begin` and `run` are its steps; each thread of the crew repeats them (`serve`)."""

    def __init__(
        self,
        broker: WorkerVerbs,
        name: str,
        pools: Sequence[str],
        desk: Desk,
        outbox: Outbox,
        table: Table,
        sender: Sender,
        start_thread: Callable[[str, Callable[[], None]], object],
    ) -> None:
        self._broker = broker
        self._name = name
        self._pools = list(pools)
        self._desk = desk
        self._outbox = outbox
        self._table = table
        self._sender = sender
        self._start_thread = start_thread
        self._loop: LoopThread | None = None
        self._lock = threading.Lock()
        #: threads of the crew that run no node
        self._spare = 0
        #: held by the thread that takes
        self._turn = threading.Lock()
        #: what was taken and nobody has begun
        self.taken: deque[Taken] = deque()
        self.suspects = Suspects(table)
        self._stopping = threading.Event()
        self._pause = Pause()

    # -- threads --------------------------------------------------------------------------------------

    def start(self, loop: LoopThread) -> None:
        """Begin to serve; async nodes run on `loop`."""
        self._loop = loop
        self._enlist()

    def stop(self) -> None:
        """Take no more. Returns when what was taken is running, or about to."""
        self._stopping.set()
        self._table.wake()
        with self._turn:
            suspect = self.suspects.give_up()
        if suspect is not None:
            self._desk.refuse(suspect[0], "the worker that had it was stopped")

    def _enlist(self) -> None:
        """One more thread. There is one for each sync node that runs, and one that takes."""
        with self._lock:
            self._spare += 1
        self._start_thread("drumline-node", self._serve)

    def _serve(self) -> None:
        """Take a task and run it, again and again, while another thread takes the next one."""
        while (taken := self._next()) is not None:
            slot, message = taken
            job = self.begin(slot, message)
            if job is None:
                continue
            with self._lock:
                self._spare -= 1
                alone = not self._spare
            if alone:
                self._enlist()
            self.run(slot, job)
            with self._lock:
                self._spare += 1
        with self._lock:
            self._spare -= 1

    def _next(self) -> Taken | None:
        """A task to begin; None when there will be no more."""
        while self.taken or not self._stopping.is_set():
            with suppress(IndexError):  # nothing is left: another thread was faster
                return self.taken.popleft()
            with self._turn:
                if not self.taken and not self._stopping.is_set():
                    self._take_patiently()
        return None

    def _take_patiently(self) -> None:
        """Wait for a free slot, or take; after a failure wait a little."""
        if self._table.free <= 0 and not self.suspects.in_hand:
            self._table.wait_for_room(TAKE_BLOCK_MS / 1000)
            return
        try:
            self.take(TAKE_BLOCK_MS)
        except (NoBroker, ServerError) as error:
            self._pause.warn(log, f"no tasks are taken: {error}")
            self._pause.wait(self._stopping)
        else:
            self._pause.reset()

    # -- steps ----------------------------------------------------------------------------------------

    def take(self, block_ms: int) -> None:
        """Wait for tasks: no more than there are free slots, and not all at once, so that other workers get some.

        While there is a suspect in hand nothing else is taken.
        """
        if self.suspects.in_hand:
            suspect = self.suspects.look(block_ms / 1000)
            if suspect is not None:
                self.taken.append(suspect)
            return
        count = min(self._table.free, -(-self._table.size // TAKE_PARTS))
        if count <= 0:
            return
        try:
            deliveries = self._broker.take(self._pools, self._name, count, block_ms)
        except ServerError as error:
            if len(self._pools) < 2:
                raise
            deliveries = self._take_apart(count, block_ms, error)
        for delivery in deliveries:
            opened = self._desk.open(delivery)
            if opened is not None:
                self._admit(opened)

    def _admit(self, opened: Taken) -> None:
        slot, message = opened
        self._table.add(slot)
        if not message.alone:
            self.taken.append(opened)
        elif not self.suspects.admit(opened):
            self._desk.refuse(slot, "it must run alone, and the worker that took it has another such task in hand")

    def _take_apart(self, count: int, block_ms: int, error: ServerError) -> list[Delivery]:
        """The stream of one pool is broken: take from the others."""
        found: list[Delivery] = []
        broken = 0
        for pool in self._pools:
            if len(found) >= count:
                break
            try:
                found += self._broker.take([pool], self._name, count - len(found), block_ms // len(self._pools))
            except ServerError as own:
                broken += 1
                self._pause.warn(log, f"no tasks are taken from pool {pool!r}: {own}")
        if broken == len(self._pools):
            raise error
        return found

    def begin(self, slot: Slot, message: TaskMessage) -> Job | None:
        """Start a task. Its job, if the caller is to `run` it; None if it runs on the loop, or will not run here."""
        if slot.void:  # nobody waits for it any more
            self._table.finish(slot)
            return None
        job = self._desk.job(slot, message)
        if job is None or not job.needs_loop or self._loop is None:
            return job
        self._loop.submit(self._arun(slot, job))
        return None

    def run(self, slot: Slot, job: Job) -> None:
        """Run a job on this thread, up to its answer in the outbox."""
        answer: Answer
        try:
            answer = run_job(job)
        except BaseException as error:  # SystemExit and its like end a task, not the worker
            answer = failed(job, error)
        data = self._desk.seal(slot, answer)
        # The node is done. If its thread has nothing else to do, it sends by itself, unless somebody sends just now.
        sends = not self.taken and self._outbox.claim()
        self._outbox.answer(slot, data)
        if sends:
            self._sender.send_claimed()

    async def _arun(self, slot: Slot, job: Job) -> None:
        answer: Answer
        try:
            task = asyncio.current_task()
            assert task is not None
            # From here on, not before: a task that is cancelled before its first step never answers.
            self._table.attach(slot, partial(_cancel, task))
            answer = await arun_job(job)
        except BaseException as error:
            answer = failed(job, error)
        self._desk.answer(slot, answer)


def _cancel(task: asyncio.Task[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        task.get_loop().call_soon_threadsafe(task.cancel)
