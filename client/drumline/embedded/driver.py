"""Drive an embedded run from sync code: a lazy generator that advances when the caller asks for the next item.

A single sync task runs on the caller's own thread, unless its events are to be seen while it runs. Everything else runs
in threads, async nodes on the background loop; their answers come back through one queue, in order for each task.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Container, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from drumline.call import Call
from drumline.embedded.calling import EmbeddedCalls
from drumline.embedded.embed import embed
from drumline.embedded.jobs import CALL, THREADS_MAX, TIMER, Embedded
from drumline.embedded.timers import Timers
from drumline_coordinator.effects import Effects
from drumline_coordinator.tasks import Task
from drumline_graph.program import Program
from drumline_protocol.messages import TimerDue
from drumline_transport.after_fork import forks
from drumline_worker.job import Job
from drumline_worker.loop import LoopThread, shared_loop
from drumline_worker.node import Answer, arun_job, failed, run_job


def drive(program: Program, call: Call, *, strict: bool) -> Iterator[Any]:
    """Yield the run's items; raise what ended it. Closing early cancels async nodes and waits for sync ones."""
    embedded = embed(program, call, strict=strict)
    nodes, trace, thread = _NodeThreads(embedded), embedded.trace, embedded.thread
    try:
        try:
            if trace is not None:
                trace.begin()
            if thread is not None:
                thread.load()
            effects = embedded.start()
            while True:
                if thread is not None and effects.saves:
                    thread.keep(effects.saves)
                # one by one if somebody listens, who is to hear of each in its turn
                for facts in (effects.facts,) if trace is None else [[fact] for fact in effects.facts]:
                    items = embedded.items(facts)
                    if trace is not None:
                        trace.flush()
                    yield from items
                if effects.finished:
                    break
                effects = nodes.next_effects(effects)
        finally:
            try:
                nodes.close()
                if thread is not None and (late := embedded.late(nodes.answers())):
                    thread.keep(late)
            finally:
                if thread is not None:
                    thread.close()
        if embedded.failure is not None:
            raise embedded.failure
        if trace is not None:
            trace.end()
        if embedded.span is not None:
            embedded.span.end(embedded.status)
    except BaseException as error:
        if embedded.span is not None:
            embedded.span.fail(error)
        if trace is not None:
            trace.fail(error)
        raise
    finally:
        embedded.let_go()


class _NodeThreads:
    """The threads of one run; none is started before it is needed."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._live = embedded.live
        self._queue: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        self._seen: deque[tuple[Any, Any]] = deque()
        self._open = 0
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._threads_max = embedded.run.state.max_open or min(32, (os.cpu_count() or 1) + 4)
        self._sync: dict[Future[None], None] = {}
        self._loop: LoopThread | None = None
        self._timers = Timers(embedded.run.id)
        #: by each, the task of the run that it is of
        self._async: dict[asyncio.Task[None], str] = {}
        self._process = forks()
        embedded.calling = EmbeddedCalls(embedded.run, lambda call: self._queue.put((CALL, call)))

    def next_effects(self, effects: Effects) -> Effects:
        """Start what is to be started, then take in the next answer or burst of events."""
        if self._process != forks():
            self._move_in()
        embedded = self._embedded
        tasks = effects.dispatch
        if len(tasks) == 1 and not self._open and not self._live:
            job = embedded.job(tasks[0], self._put)
            if job.needs_loop:
                self._start(job)
            else:
                answer = run_job(job)
                if self._queue.empty():
                    return embedded.handle(answer)
                self._open += 1  # a graph that ran inline has told of its own steps
                self._queue.put((None, answer))
        else:
            for task in tasks:
                self._start(embedded.job(task, self._put))
        if effects.more:
            return embedded.run.more(0.0)
        self._timers.add(effects.timers)
        due = self._timers.due()
        if due is not None and self._peek() is not None:
            self._queue.put((TIMER, due))  # what was answered in time comes first, however late its reader is
            due = None
        due = due or self._wait()
        if due is not None:
            return embedded.handle(due)
        task_, thing = self._take()
        if task_ is None:
            self._open -= 1
            return embedded.handle(thing)
        if task_ is TIMER:
            return embedded.handle(thing)
        if task_ is CALL:
            effects = embedded.take_call(thing)
            if effects.cancelled and self._loop is not None:
                self._loop.submit(self._cancel(effects.cancelled))
            return effects
        items = [thing]
        while True:
            following = self._peek()
            if following is None or following[0] is not task_:
                return embedded.handle(embedded.burst(task_, items))
            items.append(self._seen.popleft()[1])

    def _put(self, task: Task, item: tuple[int, Any, Any]) -> None:
        self._queue.put((task, item))

    def _wait(self) -> TimerDue | None:
        """Wait for the next timer, or for an answer that comes before it."""
        while self._timers.waiting and self._peek() is None:
            rest = self._timers.rest()
            if self._open:
                with suppress(Empty):
                    self._seen.append(self._queue.get(timeout=rest))
            else:
                time.sleep(rest)
            due = self._timers.due(slept=not self._open)
            if due is not None:
                return due
        return None

    def answers(self) -> Iterator[Any]:
        """What nodes have answered that nobody has taken."""
        while (item := self._peek()) is not None:
            self._seen.popleft()
            if item[0] is None:
                yield item[1]

    def _take(self) -> tuple[Any, Any]:
        return self._seen.popleft() if self._seen else self._queue.get()

    def _peek(self) -> tuple[Any, Any] | None:
        if not self._seen:
            if self._queue.empty():
                return None
            self._seen.append(self._queue.get())
        return self._seen[0]

    def _start(self, job: Job) -> None:
        self._open += 1
        if job.needs_loop:
            if self._loop is None:
                self._loop = shared_loop()
            self._loop.submit(self._arun(job, self._pool(job.depth))).add_done_callback(partial(self._loop_ended, job))
            return
        future = self._pool(job.depth).submit(self._run, job)
        self._sync[future] = None
        future.add_done_callback(lambda ended: self._sync.pop(ended, None))

    def _loop_ended(self, job: Job, future: Future[None]) -> None:
        """`_arun` answers for whatever the node does; only the death of the loop keeps it from that."""
        if not future.cancelled() and (error := future.exception()) is not None:
            self._queue.put((None, failed(job, error)))

    def _pool(self, depth: int = 0) -> ThreadPoolExecutor:
        """Threads for nodes; for called `@task`s others at each depth, so that callers cannot take up all of them."""
        threads = self._threads.get(depth)
        if threads is None:
            size = THREADS_MAX if self._embedded.counts_callers else self._threads_max
            threads = self._threads[depth] = ThreadPoolExecutor(size, "drumline-node")
        return threads

    def _run(self, job: Job) -> None:
        answer: Answer
        try:
            answer = run_job(job)
        except BaseException as error:  # SystemExit and its like must not leave the caller waiting
            answer = failed(job, error)
        self._queue.put((None, answer))

    async def _arun(self, job: Job, threads: ThreadPoolExecutor) -> None:
        running = asyncio.current_task()
        assert running is not None
        self._async[running] = job.task
        answer: Answer
        try:
            answer = await arun_job(job, threads)
        except BaseException as error:
            answer = failed(job, error)
        finally:
            self._async.pop(running, None)
        self._queue.put((None, answer))

    def _move_in(self) -> None:
        """This process is the child of a fork, and has no thread of the run."""
        if self._open:
            raise RuntimeError(
                "this stream's nodes were running when the process forked; they run in the parent only. "
                "Read the stream there, or call the graph again in the child"
            )
        self._threads, self._loop = {}, None
        self._queue = SimpleQueue()
        self._process = forks()

    def close(self) -> None:
        """Cancel async nodes; let sync ones that have a thread run out, and leave out the others."""
        if self._process != forks():
            return  # a copy in the child of a fork: nothing of it runs here
        self._embedded.close()
        loop = self._loop
        if loop is not None and self._open and loop.is_alive and not loop.is_current:
            loop.submit(self._cancel()).result()
        if self._threads:
            for future in list(self._sync)[self._threads_max :]:
                future.cancel()
            for threads in self._threads.values():
                threads.shutdown(wait=True)

    async def _cancel(self, tasks: Container[str] | None = None) -> None:
        """Cancel what runs on the loop, or these tasks of the run alone."""
        running = [running for running, of in self._async.items() if tasks is None or of in tasks]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
