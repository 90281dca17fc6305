"""The thread of an embedded run: what the run begins from, and what it adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drumline.threads.loading import Loading, arun_loading, load, run_loading
from drumline_coordinator.tasks import Task
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_protocol.checkpoints import Save, joined_ns
from drumline_worker.job import JobThread

if TYPE_CHECKING:
    from drumline.call import Call
    from drumline.threads.store import Threads

#: keys of `configurable` that name a checkpoint
_PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map", "thread_id")


def thread_of(program: Program, call: Call, base: tuple[str, ...]) -> OpenThread | None:
    """The thread of a call's run; None if nothing keeps one.

    ValueError for a graph with a saver that is called without a thread id.
    """
    configurable = call.config.get("configurable") or {}
    if call.caller is not None:
        above = call.caller.job.thread
        if above is None or program.persists is False:
            return None
        run = ThreadRun(
            above.id,
            resumes=above.resumes,
            answers=above.answers,
            parents=dict(above.parents),
            metadata=_metadata(call),
            configurable=_shown(configurable, above.id),
        )
        return OpenThread(run, above.store, above.durability, load(program, joined_ns(base), {}))
    if call.saver is None:
        return None
    thread = configurable.get("thread_id")
    if thread is None:
        raise ValueError(
            "Checkpointer requires one or more of the following 'configurable' keys: thread_id, checkpoint_ns, "
            f"checkpoint_id. Call graph {program.name!r} with config={{'configurable': {{'thread_id': ...}}}}."
        )
    ids = dict(configurable.get("checkpoint_map") or {})
    if configurable.get("checkpoint_id"):
        ids.setdefault(configurable.get("checkpoint_ns") or "", configurable["checkpoint_id"])
    run = ThreadRun(
        str(thread),
        is_addressed=bool(ids),
        is_strict=bool(configurable.get("__pregel_strict_resume")),
        metadata=_metadata(call),
        configurable=_shown(configurable, str(thread)),
    )
    return OpenThread(run, call.saver, call.durability, load(program, "", ids))


def _metadata(call: Call) -> dict[str, Any]:
    """What checkpoints say of a call: its metadata, without what drumline puts there."""
    given = call.config.get("metadata") or {}
    return {k: v for k, v in given.items() if k not in _PLACE and not k.startswith("langgraph_")}


def _shown(configurable: Any, thread: str) -> dict[str, Any]:
    own = {k: v for k, v in configurable.items() if not k.startswith("__") and k not in _PLACE}
    return {**own, "thread_id": thread}


class OpenThread:
    """What an embedded run reads of its thread, and writes to it."""

    def __init__(self, run: ThreadRun, store: Threads, durability: str, loading: Loading) -> None:
        self.run = run
        self._store = store
        self._durability = durability
        self._loading = loading
        self._last: dict[str, list[Save]] = {}

    def load(self) -> None:
        """Read what the run begins from."""
        self.run.saved = run_loading(self._loading, lambda ns, id_: self._store.get(self.run.id, ns, id_))

    async def aload(self) -> None:
        """The twin of `load`."""
        self.run.saved = await arun_loading(self._loading, lambda ns, id_: self._store.aget(self.run.id, ns, id_))

    def keep(self, saves: Sequence[Save]) -> None:
        """Write what the run adds."""
        self._store.save(self.run.id, saves)

    async def akeep(self, saves: Sequence[Save]) -> None:
        """The twin of `keep`."""
        await self._store.asave(self.run.id, saves)

    def below(self, task: Task) -> JobThread:
        """What a task's code knows of the thread."""
        scope = task.scope
        parents = dict(self.run.parents)
        around = scope
        while True:
            parents[joined_ns(around.ns)] = around.checkpoint
            if around.parent is None:
                break
            around = around.parent.scope
        for depth in range(len(scope.ns) + 1, len(task.around) + 1):  # tasks that have called it
            parents[joined_ns(task.around[:depth])] = scope.checkpoint
        return JobThread(
            self.run.id, self._store, self._durability, scope.checkpoint, parents, scope.resumed, self.run.answers
        )
