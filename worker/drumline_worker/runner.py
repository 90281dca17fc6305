"""The task runner: takes tasks from the broker and runs them.

Sync nodes run on its threads, of which one at a time takes tasks; async nodes run on an event loop. A sync task stays
on one thread from its entry to its answer: waking another thread costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from drumline_graph.called_tasks import is_calls_pool
from drumline_protocol.errors import NoBroker
from drumline_protocol.messages import TaskMessage
from drumline_transport.backoff import Pause
from drumline_transport.broker import Delivery, WorkerVerbs
from drumline_transport.errors import ServerError
from drumline_worker.job import Job
from drumline_worker.loop import LoopThread
from drumline_worker.node import Answer, arun_job, failed, run_job
from drumline_worker.outbox import Execution, Outbox
from drumline_worker.sender import Sender
from drumline_worker.suspects import Suspects, Taken
from drumline_worker.table import Table
from drumline_worker.task_codec import TaskCodec

log = logging.getLogger("drumline.worker")

#: How long one read of the task streams waits. A worker that is told to stop stops taking within this time.
TAKE_BLOCK_MS = 500

#: A worker takes at most this part of its concurrency at once, so that a small fan-out spreads over several workers.
TAKE_PARTS = 4


class TaskRunner:
    """Its steps are `take`, `begin` and `run`. Each of its threads repeats them (`_serve`)."""

    def __init__(
        self,
        broker: WorkerVerbs,
        name: str,
        pools: Sequence[str],
        codec: TaskCodec,
        outbox: Outbox,
        table: Table,
        sender: Sender,
        start_thread: Callable[[str, Callable[[], None]], object],
    ) -> None:
        self._broker = broker
        self._name = name
        self._pools = list(pools)
        self._call_pools = [pool for pool in pools if is_calls_pool(pool)]
        self._codec = codec
        self._outbox = outbox
        self._table = table
        self._sender = sender
        self._start_thread = start_thread
        self._loop: LoopThread | None = None
        self._lock = threading.Lock()
        #: how many of its threads run no node
        self._spare = 0
        #: held by the thread that takes
        self._turn = threading.Lock()
        #: tasks that were taken and that no thread has begun
        self.taken: deque[Taken] = deque()
        self.suspects = Suspects(table)
        self._stopping = threading.Event()
        self._pause = Pause()

    # -- threads --------------------------------------------------------------------------------------

    def start(self, loop: LoopThread) -> None:
        """Begin to serve; async nodes run on `loop`."""
        self._loop = loop
        self._add_thread()

    def stop(self) -> None:
        """Take no more tasks. Returns when those that were taken run, or are about to."""
        self._stopping.set()
        self._table.wake()
        with self._turn:
            suspect = self.suspects.give_up()
        if suspect is not None:
            self._codec.refuse(suspect[0], "the worker that had it was stopped")

    def _add_thread(self) -> None:
        """Start a thread. There is one for each sync node that runs, and one that takes."""
        with self._lock:
            self._spare += 1
        self._start_thread("drumline-node", self._serve)

    def _serve(self) -> None:
        """Take a task and run it, again and again, while another thread takes the next one."""
        while self._serve_next():
            if not self.taken:
                self._codec.clone_ahead()
        with self._lock:
            self._spare -= 1

    def _serve_next(self) -> bool:
        """Take a task and run it. False if there will be no more. All that the task had is free when it returns."""
        taken = self._next()
        if taken is None:
            return False
        execution, message = taken
        job = self.begin(execution, message)
        if job is None:
            return True
        with self._lock:
            self._spare -= 1
            alone = not self._spare
        if alone:
            self._add_thread()
        self.run(execution, job)
        with self._lock:
            self._spare += 1
        return True

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
        """Take tasks if a slot is free, else wait for one. After a failure wait a little."""
        if self._free()[0] <= 0 and not self.suspects.in_hand:
            self._table.wait_for(lambda: self._free()[0] > 0 or self._stopping.is_set(), TAKE_BLOCK_MS / 1000)
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
        """Wait for tasks and take them: at most a part of the free slots, so that other workers get some too.

        While the worker has a suspect in hand it takes nothing else.
        """
        if self.suspects.in_hand:
            suspect = self.suspects.look(block_ms / 1000)
            if suspect is not None:
                self.taken.append(suspect)
            return
        free, pools = self._free()
        count = min(free, -(-self._table.size // TAKE_PARTS))
        if count <= 0:
            return
        try:
            deliveries = self._broker.take(pools, self._name, count, block_ms)
        except ServerError as error:
            if len(pools) < 2:
                raise
            deliveries = self._take_apart(pools, count, block_ms, error)
        for delivery in deliveries:
            taken = self._codec.decode(delivery)
            if taken is not None:
                self._admit(taken)

    def _free(self) -> tuple[int, list[str]]:
        """How many tasks may be taken, and from which pools: calls also where too many tasks wait for calls."""
        free = self._table.free
        if free > 0 or not self._call_pools:
            return free, self._pools
        return self._table.free_for_calls, self._call_pools

    def _admit(self, taken: Taken) -> None:
        execution, message = taken
        self._table.add(execution)
        if not message.alone:
            self.taken.append(taken)
        elif not self.suspects.admit(taken):
            self._codec.refuse(
                execution, "it must run alone, and the worker that took it has another such task in hand"
            )

    def _take_apart(self, pools: list[str], count: int, block_ms: int, error: ServerError) -> list[Delivery]:
        """Take from each pool by itself, because the stream of one of them is broken."""
        found: list[Delivery] = []
        broken = 0
        for pool in pools:
            if len(found) >= count:
                break
            try:
                found += self._broker.take([pool], self._name, count - len(found), block_ms // len(pools))
            except ServerError as own:
                broken += 1
                self._pause.warn(log, f"no tasks are taken from pool {pool!r}: {own}")
        if broken == len(pools):
            raise error
        return found

    def begin(self, execution: Execution, message: TaskMessage) -> Job | None:
        """Start a task. Returns its job if the caller must `run` it; None if it runs on the loop, or not at all."""
        if execution.cancelled:  # nobody waits for it any more
            self._table.finish(execution)
            return None
        job = self._codec.job(execution, message)
        if job is None or not job.needs_loop or self._loop is None:
            return job
        self._loop.submit(self._arun(execution, job))
        return None

    def run(self, execution: Execution, job: Job) -> None:
        """Run a job on this thread, and put its answer into the outbox."""
        answer: Answer
        try:
            answer = run_job(job)
        except BaseException as error:  # SystemExit and its like end a task, not the worker
            answer = failed(job, error)
        data = self._codec.encode(execution, answer)
        del answer  # an error leads to this frame, by its traceback
        # The node is done. This thread sends the answer itself if it has no other task and nobody else sends.
        sends = not self.taken and self._outbox.claim()
        self._outbox.answer(execution, data)
        if sends:
            self._sender.send_claimed()

    async def _arun(self, execution: Execution, job: Job) -> None:
        answer: Answer
        try:
            task = asyncio.current_task()
            assert task is not None
            # Not earlier: an asyncio task that is cancelled before its first step never answers.
            self._table.attach(execution, partial(_cancel, task))
            answer = await arun_job(job)
        except BaseException as error:
            answer = failed(job, error)
        self._codec.answer(execution, answer)


def _cancel(task: asyncio.Task[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        task.get_loop().call_soon_threadsafe(task.cancel)
