"""Calls of `@task`s in an embedded run: from the caller's thread or coroutine to the driver, and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from drumline_coordinator.calling import call_id, first_call
from drumline_coordinator.run import Run
from drumline_coordinator.tasks import DONE
from drumline_graph.constants import RETURN
from drumline_graph.errors import GraphInterrupt
from drumline_graph.functional import node_of_call
from drumline_graph.program import Node
from drumline_protocol.codec import unbox
from drumline_protocol.facts import RunFinished, TaskFailed, TaskFinished, TaskInterrupted
from drumline_protocol.messages import TaskCall
from drumline_worker.call_digest import digest_of_call
from drumline_worker.futures import future_here, give, leave
from drumline_worker.job import Job


class EmbeddedCalls:
    """The calls of one run that wait for their results (`drumline_worker.job.Calling`).

    `put` hands a call to the driver, from any thread. The driver's thread does all the rest.
    """

    def __init__(self, run: Run, put: Callable[[TaskCall], None]) -> None:
        self._run = run
        self._put = put
        self._lock = threading.Lock()
        self._numbers: dict[tuple[str, int], count[int]] = {}
        self.waiting: dict[str, list[Any]] = {}
        self._over = False

    # -- the caller's side --------------------------------------------------------------------------

    def call(self, job: Job, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A future of the result: asyncio's on a running loop, else one of `concurrent.futures`."""
        future = future_here(lambda: self._cancel(job, index, id_))
        index, id_ = -1, ""
        caller = self._run.state.tasks.get(job.task)
        with self._lock:
            if self._over or caller is None:
                future.cancel()
                return future
            numbers = self._numbers.get((job.task, job.attempt))
            if numbers is None:
                numbers = self._numbers[job.task, job.attempt] = count(first_call(caller))
            index = next(numbers)
            id_ = call_id(caller, index, self._run.id)
            self.waiting.setdefault(id_, []).append(future)
        if job.limit is not None and job.limit.hears_all:
            job.limit.touch()
        node = node_of_call(job.program, node)
        if job.thread is None or not job.thread.store.is_exact:  # arguments that it gives back tell nothing
            call: tuple[str, ...] = (node.name,)
        else:
            call = digest_of_call(job.program, node, args, kwargs)
        self._put(
            TaskCall(
                job.shared.run_id,
                job.task,
                job.attempt,
                job.executor,
                index,
                node.name,
                (args, kwargs),
                call,
                node=node,
            )
        )
        return future

    def _cancel(self, job: Job, index: int, id_: str) -> None:
        """The caller has cancelled a call."""
        if id_ in self.waiting:
            error = asyncio.CancelledError()
            self._put(TaskCall(job.shared.run_id, job.task, job.attempt, job.executor, index, "", None, error=error))

    def control(self, job: Job) -> None:
        """None: the run was given none (`drumline_worker.job.Calling`)."""
        del job

    # -- the driver's side --------------------------------------------------------------------------

    def answer_known(self, event: TaskCall) -> None:
        """Answer a call that an earlier attempt of its caller has made, and that has ended."""
        caller = self._run.state.tasks.get(event.task)
        known = None if caller is None else self._run.state.tasks.get(call_id(caller, event.index, self._run.id))
        if known is not None and known.status is DONE:
            self._give(known.id, _returned(known.writes), None)

    def settle(self, facts: Sequence[Any]) -> None:
        """Answer the calls that have ended by these facts, which the thread of the run has kept by now."""
        for fact in facts:
            kind = type(fact)
            if kind is TaskFinished and fact.task in self.waiting:
                self._give(fact.task, _returned(unbox(fact.writes)), None)
            elif kind is TaskFailed:
                self._give(fact.task, None, fact.error)
            elif kind is TaskInterrupted:
                self._give(fact.task, None, GraphInterrupt(tuple(unbox(fact.interrupts))))
            elif kind is RunFinished:
                self.abandon()

    def _give(self, task: str, result: Any, error: BaseException | None) -> None:
        with self._lock:
            futures = self.waiting.pop(task, ())
        for future in futures:
            give(future, result, error)

    def abandon(self) -> None:
        """Nobody will answer any more: whoever waits is told."""
        with self._lock:
            self._over = True
            futures = [future for waiting in self.waiting.values() for future in waiting]
            self.waiting.clear()
        for future in futures:
            leave(future)


def _returned(writes: Any) -> Any:
    return next((value for channel, value in writes if channel == RETURN), None)
