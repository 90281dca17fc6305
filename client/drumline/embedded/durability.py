"""When what a run adds to its thread is kept: before the next superstep, meanwhile, or when the run ends.

Values are read at once in all three, as they are then; only the writing is put off.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from drumline.threads.store import Threads
from drumline_protocol.checkpoints import Checkpoint, Outcome, Save, TaskWrites, joined_ns, outcomes, split_ns
from drumline_protocol.facts import Checkpointed
from drumline_transport.after_fork import forks

SYNC, ASYNC, EXIT = "sync", "async", "exit"


class Background:
    """Writes in the background, in order, for sync and async callers. An error is raised to the next call."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._waiting: deque[Sequence[Any]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._process = forks()

    def put(self, prepared: Sequence[Any]) -> None:
        """Write this when what came before is written."""
        self._raise()
        if self._process != forks():  # the child of a fork: the thread is its parent's, which writes what waits
            self._process, self._thread, self._lock = forks(), None, threading.Lock()
            self._waiting.clear()
        with self._lock:
            self._waiting.append(prepared)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="drumline-saver", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._error is not None:
                    self._thread = None
                    return
                prepared = [row for rows in self._waiting for row in rows]
                self._waiting.clear()
            try:
                self._threads.write(prepared)
            except BaseException as error:
                self._error = error

    def wait(self) -> None:
        """Until all is written."""
        thread = self._thread
        if thread is not None and self._process == forks():
            thread.join()
        self._raise()

    def aput(self, prepared: Sequence[Any]) -> None:
        """`put` on an event loop."""
        self._raise()
        self._waiting.append(prepared)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._arun())

    async def _arun(self) -> None:
        while self._waiting and self._error is None:
            prepared = [row for rows in self._waiting for row in rows]
            self._waiting.clear()
            try:
                await self._threads.awrite(prepared)
            except BaseException as error:
                self._error = error
        self._task = None

    async def await_all(self) -> None:
        """`wait` on an event loop; not cut short when its caller is cancelled."""
        cancelled: BaseException | None = None
        while self._task is not None:
            try:
                await asyncio.shield(self._task)
            except asyncio.CancelledError as error:
                if self._task is None or self._task.cancelled():
                    break
                cancelled = error
        self._raise()
        if cancelled is not None:
            raise cancelled

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            self._waiting.clear()
            raise error


class AtExit:
    """What is kept of a run at its end: where each graph stood, and what the tasks of its open superstep wrote."""

    def __init__(self) -> None:
        #: by namespace: the checkpoint that the store has, and the newest one
        self._parents: dict[str, str] = {}
        self._newest: dict[str, Checkpoint] = {}
        #: all checkpoints of the run
        self._ids: set[str] = set()
        #: by namespace: the parent of the checkpoint that the graph began at
        self.began: dict[str, str] = {}
        self._writes: dict[str, list[TaskWrites]] = {}

    def add(self, saves: Sequence[Save]) -> list[Save]:
        """Take these in; those that are behind now, and will not be kept."""
        behind: list[Save] = []
        for each in saves:
            if type(each) is Checkpoint:
                self._parents.setdefault(each.ns, each.parent)
                self._ids.add(each.id)
                if each.ns in self._newest:
                    behind.append(self._newest[each.ns])
                behind += self._writes.pop(each.ns, ())
                self._newest[each.ns] = each
            else:
                self._writes.setdefault(each.ns, []).append(each)  # type: ignore[arg-type]
        return behind

    def shown(self, fact: Checkpointed) -> Checkpointed:
        """A checkpoint of the run with the parent that LangGraph shows: that of the one which the run began at."""
        return replace(fact, parent=self.began.get(joined_ns(fact.ns), "")) if fact.id in self._ids else fact

    def take(self) -> list[Save]:
        """What is to be kept, in order, the graphs within before those around them."""
        kept: list[Save] = []
        places = sorted({*self._newest, *self._writes}, key=lambda ns: (-len(split_ns(ns)), ns))
        for ns in places:
            if self._ended(ns):
                continue
            newest = self._newest.get(ns)
            if newest is not None:
                newest.parent = self._parents[ns]
                kept.append(newest)
            kept += self._writes.get(ns, ())
        self._newest, self._writes, self._parents = {}, {}, {}
        return kept

    def _ended(self, ns: str) -> bool:
        """Whether a graph within another has ended: then nothing of it is needed any more.

        One that has a history of its own (`checkpointer=True`), whose namespace names no task, is kept.
        """
        parts = split_ns(ns)
        if all(":" not in part for part in parts):
            return False
        at = max(index for index, part in enumerate(parts) if ":" in part)
        around, task = "|".join(parts[:at]), parts[at].rpartition(":")[2]
        newest, mine = self._newest.get(around), self._newest.get(ns)
        if newest is not None and mine is not None and mine.parents.get(around, newest.id) != newest.id:
            return True
        pending = [(w.task, channel, value) for w in self._writes.get(around, ()) for channel, value in w.writes]
        return outcomes(pending).get(task, Outcome()).has_ended
