"""The thread of an embedded run: what the run begins from, and what it adds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drumline.embedded.durability import ASYNC, EXIT, AtExit, Background
from drumline.threads.loading import Loading, aread, arun_loading, load, read, run_loading
from drumline.threads.opening import thread_run, thread_run_below
from drumline.threads.store import Threads, threads_of
from drumline_coordinator.below import standing
from drumline_coordinator.resuming import single_answer
from drumline_coordinator.tasks import Task
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_graph.warnings import RunWarning, tell
from drumline_protocol.checkpoints import Save, joined_ns
from drumline_protocol.facts import Checkpointed, Fact
from drumline_worker.job import JobThread

if TYPE_CHECKING:
    from drumline.call import Call


def thread_of(program: Program, call: Call, base: tuple[str, ...]) -> OpenThread | None:
    """The thread of a call's run; None if nothing keeps one.

    ValueError for a graph with a saver that is called without a thread id.
    """
    ns = joined_ns(base)
    if call.caller is not None:
        above = call.caller.job.thread
        if above is None or program.persists is False:
            return None
        run = thread_run_below(above, call)
        store = threads_of(above.store, program, ns)
        return OpenThread(run, store, above.durability, load(program, run, ns, call.input))
    if call.saver is None:
        return None
    run = thread_run(program, call)
    return OpenThread(run, threads_of(call.saver, program, ns), call.durability, load(program, run, ns, call.input))


class OpenThread:
    """What an embedded run reads of its thread, and writes to it."""

    def __init__(self, run: ThreadRun, store: Threads, durability: str, loading: Loading) -> None:
        self.run = run
        self._store = store
        self._durability = durability
        self._loading = loading
        self._exit = AtExit() if durability == EXIT else None
        self._background = Background(self._store) if durability == ASYNC and not self._store.is_fast else None

    def load(self) -> None:
        """Read what the run begins from."""
        self.run.saved = run_loading(self._loading, lambda asked: read(self._store, self.run.id, asked))
        self._begins()

    async def aload(self) -> None:
        """The twin of `load`."""
        self.run.saved = await arun_loading(self._loading, lambda asked: aread(self._store, self.run.id, asked))
        self._begins()

    def _begins(self) -> None:
        if self._exit is not None:
            self._exit.began = {ns: saved.checkpoint.parent for ns, saved in self.run.saved.items()}
        for note in self.run.notes:
            tell(note, RunWarning)

    def keep(self, saves: Sequence[Save]) -> None:
        """Write what the run adds, or have it written. Raises what the store does, also of what it got before."""
        if self._exit is not None:
            self._keep_later(self._exit, saves)
        elif self._background is not None:
            self._background.put(self._store.prepare(self.run.id, saves))
        else:
            self._store.save(self.run.id, saves)

    async def akeep(self, saves: Sequence[Save]) -> None:
        """The twin of `keep`."""
        if self._exit is not None:
            self._keep_later(self._exit, saves)
        elif self._background is not None:
            self._background.aput(self._store.prepare(self.run.id, saves))
        else:
            await self._store.asave(self.run.id, saves)

    def shown(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Facts as readers are told them, behind `keep`: those between two that are kept are no parents."""
        if self._exit is None:
            return facts
        return [self._exit.shown(fact) if type(fact) is Checkpointed else fact for fact in facts]

    def _keep_later(self, at_exit: AtExit, saves: Sequence[Save]) -> None:
        expect = getattr(self._store, "expect", None)  # a saver of LangGraph's interface
        if expect is not None:
            expect(saves)
        self._store.skip(self.run.id, at_exit.add(saves))

    def close(self) -> None:
        """The run has ended, or nobody reads on: what it did is kept when this returns. Raises what the store does."""
        if self._exit is not None:
            kept = self._exit.take()
            if kept:
                self._store.save(self.run.id, kept)
        elif self._background is not None:
            self._background.wait()

    async def aclose(self) -> None:
        """The twin of `close`."""
        if self._exit is not None:
            kept = self._exit.take()
            if kept:
                await asyncio.shield(asyncio.ensure_future(self._store.asave(self.run.id, kept)))
        elif self._background is not None:
            await self._background.await_all()

    def below(self, task: Task) -> JobThread:
        """What a task's code knows of the thread."""
        scope = task.scope
        parents = standing(self.run, scope)
        for depth in range(len(scope.ns) + 1, len(task.around) + 1):  # tasks that have called it
            parents[joined_ns(task.around[:depth])] = scope.checkpoint
        return JobThread(
            self.run.id,
            self._store,
            self._durability,
            scope.checkpoint,
            parents,
            scope.resumed,
            self.run.answers,
            self.run.addressed,
            self.run.replay,
            single_answer(self.run, task.id),
        )
