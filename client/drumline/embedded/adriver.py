"""Drive an embedded run on the caller's event loop. Sync nodes run in threads, async ones as tasks of the loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from drumline.call import Call
from drumline.embedded.calling import EmbeddedCalls
from drumline.embedded.embed import embed
from drumline.embedded.jobs import CALL, THREADS_MAX, TIMER, Embedded
from drumline.embedded.timers import Timers
from drumline_coordinator.effects import Effects
from drumline_coordinator.tasks import Task
from drumline_graph.program import Program
from drumline_transport.after_fork import forks
from drumline_worker.job import Job
from drumline_worker.node import Answer, arun_job, failed


async def adrive(program: Program, call: Call, *, strict: bool) -> AsyncIterator[Any]:
    """Yield the run's items; raise what ended it. Closing early cancels its async nodes."""
    embedded = embed(program, call, strict=strict, is_async=True)
    nodes, trace, thread = _NodeTasks(embedded), embedded.trace, embedded.thread
    try:
        try:
            if trace is not None:
                await trace.abegin()
            if thread is not None:
                await thread.aload()
            effects = embedded.start()
            while True:
                if thread is not None and effects.saves:
                    await thread.akeep(effects.saves)
                # one by one if somebody listens, who is to hear of each in its turn
                for facts in (effects.facts,) if trace is None else [[fact] for fact in effects.facts]:
                    items = embedded.items(facts)
                    if trace is not None:
                        await trace.aflush()
                    for item in items:
                        yield item
                if effects.finished:
                    break
                effects = await nodes.next_effects(effects)
        finally:
            try:
                await nodes.close()
            finally:
                if thread is not None:
                    await thread.aclose()
        if embedded.failure is not None:
            raise embedded.failure
        if trace is not None:
            await trace.aend()
        if embedded.span is not None:
            embedded.span.end(embedded.status)
    except BaseException as error:
        if embedded.span is not None:
            embedded.span.fail(error)
        if trace is not None:
            await trace.afail(error)
        raise
    finally:
        embedded.let_go()


class _NodeTasks:
    """The asyncio tasks of one run and the events they put out, in order for each task."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._things: deque[tuple[Any, Any]] = deque()
        self._wake = asyncio.Event()
        #: by each, the task of the run that it is of
        self._running: dict[asyncio.Task[None], str] = {}
        self._timers = Timers(embedded.run.id)
        self._process = forks()
        self._threads: dict[int, ThreadPoolExecutor] = {}
        embedded.calling = EmbeddedCalls(embedded.run, lambda call: self._hand((CALL, call)))

    async def next_effects(self, effects: Effects) -> Effects:
        """Start what is to be started, then take in the next answer or burst of events."""
        embedded = self._embedded
        for task in effects.dispatch:
            self._start(embedded.job(task, self._put))
        if effects.more:
            return embedded.run.more(0.0)
        self._timers.add(effects.timers)
        due = self._timers.due()
        things = self._things
        if due is not None and not things:
            return embedded.handle(due)
        if due is not None:
            things.append((TIMER, due))  # what was answered in time comes first, however late its reader is
        while not things:
            self._wake.clear()
            if not self._timers.waiting:
                await self._wake.wait()
                continue
            slept = await self._sleep()
            due = None if things else self._timers.due(slept=slept)
            if due is not None:
                return embedded.handle(due)
        task_, thing = things.popleft()
        if task_ is None or task_ is TIMER:
            return embedded.handle(thing)
        if task_ is CALL:
            return self._without_cancelled(embedded.take_call(thing))
        items = [thing]
        while things and things[0][0] is task_:
            items.append(things.popleft()[1])
        return embedded.handle(embedded.burst(task_, items))

    def _without_cancelled(self, effects: Effects) -> Effects:
        """Behind a call of a `@task`: what its caller has cancelled is cancelled."""
        for id_ in effects.cancelled:
            for running in [running for running, of in self._running.items() if of == id_]:
                running.cancel()
        return effects

    async def _sleep(self) -> bool:
        """Wait until the first timer is due, or something is there. True: nothing else can answer."""
        rest = self._timers.rest()
        if not self._running:
            await asyncio.sleep(rest)
            return True
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), rest)
        return False

    def _put(self, task: Task, item: tuple[int, Any, Any]) -> None:
        self._hand((task, item))

    def _hand(self, thing: tuple[Any, Any]) -> None:
        if threading.get_ident() == self._thread:
            self._add(thing)
        else:
            self._loop.call_soon_threadsafe(self._add, thing)

    def _add(self, thing: tuple[Any, Any]) -> None:
        self._things.append(thing)
        self._wake.set()

    def _start(self, job: Job) -> None:
        running = self._loop.create_task(self._run(job))
        self._running[running] = job.task
        running.add_done_callback(lambda ended: self._running.pop(ended, None))

    async def _run(self, job: Job) -> None:
        answer: Answer
        try:
            answer = await arun_job(job, self._pool(job.depth))
        except BaseException as error:  # a node that raises CancelledError must not leave the caller waiting
            answer = failed(job, error)
        self._add((None, answer))

    def _pool(self, depth: int) -> ThreadPoolExecutor | None:
        """Threads for sync code; for called `@task`s others at each depth, so that callers cannot take all of them."""
        counts_callers = self._embedded.counts_callers
        if not depth and not counts_callers:
            return None  # those of the loop
        threads = self._threads.get(depth)
        if threads is None:
            size = THREADS_MAX if counts_callers else None
            threads = self._threads[depth] = ThreadPoolExecutor(size, "drumline-node")
        return threads

    async def close(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        if self._process != forks():
            return  # a copy in the child of a fork: nothing of it runs here
        self._embedded.close()
        running = list(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.gather(*running, return_exceptions=True)
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
