"""The runs of this process: which hold a thread, and which wait for one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from drumline_gateway.embedded_run import EmbeddedRun
from drumline_gateway.kept_runs import KeptRun, KeptRuns, due_ms_of
from drumline_gateway.service import Start
from drumline_protocol.errors import RunCancelled, RunIdTaken, ThreadBusy, UnknownRun
from drumline_protocol.new_ids import new_run_id

#: runs that have ended and can still be read
KEPT_MAX = 500

#: how long runs that are ended with the process may take: a sync node cannot be stopped
CLOSE_S = 2.0

Drive = Callable[[EmbeddedRun], Awaitable[None]]


class EmbeddedRuns:
    """The runs since this process began, but those that ended long ago. `drive` runs one to its end, and ends it.

    What waits is told to `kept`, and what waits no more: but for the end of the process.
    """

    def __init__(self, drive: Drive, kept: KeptRuns) -> None:
        self._drive = drive
        self._kept = kept
        self._closes = False
        self._runs: dict[str, EmbeddedRun] = {}
        self._holders: dict[str, EmbeddedRun] = {}
        self._waiting: dict[str, deque[EmbeddedRun]] = {}
        #: what wakes the runs that are to begin later
        self._asleep: dict[str, asyncio.TimerHandle] = {}

    def get(self, run_id: str, thread: str | None) -> EmbeddedRun:
        """A run of a thread. UnknownRun."""
        run = self._runs.get(run_id)
        if run is None or run.start.thread != thread:
            raise UnknownRun(run_id)
        return run

    def of_thread(self, thread: str) -> list[EmbeddedRun]:
        """Runs of a thread, the newest first. One that waits is as old as its request, then as its beginning."""
        found = [run for run in reversed(self._runs.values()) if run.start.thread == thread]
        return sorted(found, key=lambda run: -run.began_ms)

    def overview(self, runs_max: int) -> dict[str, Any]:
        """How they stand, in the shape of `drumline.cli.survey.survey`: there is but this process."""
        runs = list(reversed(self._runs.values()))
        going = [run.row | {"thread_id": run.start.thread, "open_tasks": []} for run in runs if not run.ended]
        failed = [
            {
                "run_id": run.id,
                "thread_id": run.start.thread,
                "graph": run.start.graph,
                "at_ms": run.created_ms,
                "error": f"{type(run.failure).__name__}: {run.failure}",
            }
            for run in runs
            if run.status == "failed"
        ]
        empty: dict[str, Any] = {name: [] for name in ("coordinators", "workers", "pools", "unowned_partitions")}
        return {
            **empty,
            "broker": "",
            "partitions": 0,
            "open_runs": len(going),
            "runs": going[:runs_max],
            "failed": failed[:runs_max],
            "unusable": [],
        }

    def holder(self, thread: str) -> EmbeddedRun | None:
        """The run that holds a thread."""
        return self._holders.get(thread)

    def begin(self, start: Start) -> EmbeddedRun:
        """Begin a run, or let it wait for its thread or its time. ThreadBusy, RunIdTaken."""
        if not start.after_seconds:
            self._check_free(start)
        run = EmbeddedRun(str(start.config.get("run_id") or new_run_id(None)), start)
        if run.id in self._runs:
            raise RunIdTaken(run.id, start.graph, self._runs[run.id].start.graph, ["request"])
        self._runs[run.id] = run
        self._forget_old()
        if start.after_seconds:
            self._sleep(run, start.after_seconds)
            self._kept.keep(run, due_ms_of(run))
        else:
            self._place(run)
        return run

    def restore(self, found: list[KeptRun]) -> None:
        """Let those wait again that waited when the process ended before: first come, first served."""
        now_ms = time.time() * 1000
        for kept in found:
            self._runs[kept.run.id] = kept.run
            if kept.fault is not None:
                self._refuse(kept.run, kept.fault)
            elif kept.due_ms is not None:
                self._sleep(kept.run, (kept.due_ms - now_ms) / 1000)
            elif self.holder(str(kept.run.start.thread)) is None:
                self._go(kept.run)
            else:
                self._queue(kept.run)

    def _sleep(self, run: EmbeddedRun, seconds: float) -> None:
        self._asleep[run.id] = asyncio.get_running_loop().call_later(seconds, self._wake, run)

    def _check_free(self, start: Start) -> None:
        holder = None if start.thread is None else self._holders.get(start.thread)
        if holder is not None and start.strategy == "reject":
            raise ThreadBusy(str(start.thread), holder.id)

    def _wake(self, run: EmbeddedRun) -> None:
        """The time of a run has come."""
        del self._asleep[run.id]
        try:
            self._check_free(run.start)
        except ThreadBusy as error:
            self._refuse(run, error)
        else:
            self._place(run)

    def _refuse(self, run: EmbeddedRun, error: Exception) -> None:
        """A run that has waited does not begin."""
        self._kept.drop(run)
        run.end("failed", error)

    def _place(self, run: EmbeddedRun) -> None:
        thread, strategy = run.start.thread, run.start.strategy
        holder = None if thread is None else self._holders.get(thread)
        if thread is None or holder is None:
            self._go(run)
            return
        self._queue(run)
        self._kept.keep(run, None)
        if strategy == "interrupt":
            holder.control.request_drain(f"run {run.id} on its thread interrupted it")
        elif strategy == "rollback":
            self.stop(holder, f"run {run.id} on its thread rolled it back", takes_back=True)

    def _queue(self, run: EmbeddedRun) -> None:
        self._waiting.setdefault(str(run.start.thread), deque()).append(run)

    def stop(self, run: EmbeddedRun, reason: str, *, takes_back: bool = False) -> None:
        """End a run, if it has not ended: one that waits at once, another one soon."""
        if run.ended or run.stopped:
            return
        run.stopped, run.takes_back = reason, takes_back
        if run.task is not None:
            # not at once: a task that is cancelled before its first step takes none, and would never end its run
            asyncio.get_running_loop().call_soon(run.task.cancel)
            return
        if run.id in self._asleep:
            self._asleep.pop(run.id).cancel()
        else:
            self._waiting[str(run.start.thread)].remove(run)
        if not self._closes:
            self._kept.drop(run)
        run.end("cancelled", RunCancelled(run.id, reason))

    def forget(self, run: EmbeddedRun) -> None:
        """Nobody may read a run any more that has ended."""
        self._runs.pop(run.id, None)

    async def close(self) -> None:
        """End all runs. Those that have not begun will be there again."""
        self._closes = True
        tasks = [run.task for run in self._runs.values() if run.task is not None and not run.ended]
        for run in list(self._runs.values()):
            self.stop(run, "the process ends")
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)

    def _go(self, run: EmbeddedRun) -> None:
        run.begin()
        if run.start.thread is not None:
            self._holders[run.start.thread] = run
        # in the context of its own request: one that has waited begins with the end of another
        run.task = run.context.run(asyncio.get_running_loop().create_task, self._to_its_end(run))

    async def _to_its_end(self, run: EmbeddedRun) -> None:
        try:
            await self._drive(run)
        finally:
            if not self._closes:
                self._kept.drop(run)  # it may have ended before it began
            thread = run.start.thread
            if thread is not None and self._holders.get(thread) is run:
                del self._holders[thread]
                waiting = self._waiting.get(thread)
                if waiting:
                    self._go(waiting.popleft())
                else:
                    self._waiting.pop(thread, None)

    def _forget_old(self) -> None:
        if len(self._runs) <= KEPT_MAX:
            return
        for run_id in [run_id for run_id, run in self._runs.items() if run.ended][: len(self._runs) - KEPT_MAX]:
            del self._runs[run_id]
