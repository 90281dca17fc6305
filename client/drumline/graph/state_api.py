"""The state API of a compiled graph: snapshots of its threads, their history, and updates, as LangGraph has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline.call_config import merge_configs
from drumline.threads.places import graph_at, names_of
from drumline.threads.store import threads_of
from drumline.threads.updates import checked, place_of_update
from drumline_graph.program import Program
from drumline_graph.types import StateSnapshot, StateUpdate, StateUpdates
from drumline_protocol.checkpoints import Saved
from drumline_protocol.graph_paths import thread_ns
from drumline_protocol.running import CONTEXT_KEY
from drumline_transport.after_fork import late_import

#: keys of `configurable` that name a checkpoint
_PLACE = frozenset({"thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map"})


class StateApi:
    """A part of `CompiledStateGraph`: what a graph tells of its threads, and how it changes them from outside.

    The config of each method names a thread (`configurable["thread_id"]`), and may name a graph within by its namespace
    (`checkpoint_ns`) and a checkpoint (`checkpoint_id`). All raise ValueError for a graph without a checkpointer and
    for a config without thread id, RuntimeError for a graph that is compiled with `checkpointer=True`.
    """

    program: Program
    config: dict[str, Any]
    checkpointer: Any

    if TYPE_CHECKING:

        def prepare_call(
            self, input: Any, config: Mapping[str, Any] | None, *, elsewhere: bool = False, **asked: Any
        ) -> Any: ...
        def _where(self) -> Any: ...

    def as_snapshot(self, snapshot: StateSnapshot) -> StateSnapshot:
        """What is returned for a snapshot of the state."""
        return snapshot

    # -- reading ------------------------------------------------------------------------------------

    def get_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> StateSnapshot:
        """How the thread stands, or how it was at the checkpoint that the config names.

        `subgraphs`: the graphs in its tasks are shown as snapshots too, not only as configs. A thread that is not known
        has no values, nothing to do and no metadata.
        """
        saver, (graph, thread, ns, id_) = self._saver(config), self._place(config)
        saver = self._named(saver, thread, ns)
        with late_import():
            from drumline.threads.showing import state
        return self.as_snapshot(state(saver, graph.program, thread, ns, id_, config, subgraphs=subgraphs))

    async def aget_state(self, config: Mapping[str, Any], *, subgraphs: bool = False) -> StateSnapshot:
        """The twin of `get_state`."""
        saver, (graph, thread, ns, id_) = self._saver(config), self._place(config)
        saver = await self._anamed(saver, thread, ns)
        with late_import():
            from drumline.threads.showing import astate
        return self.as_snapshot(await astate(saver, graph.program, thread, ns, id_, config, subgraphs=subgraphs))

    def get_state_history(
        self,
        config: Mapping[str, Any],
        *,
        filter: dict[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """The thread's checkpoints, the newest first, each as a record of the superstep behind it.

        `filter` is on their metadata, `before` a config that names a checkpoint: only older ones come.
        """
        saver, (graph, thread, ns, id_) = self._saver(config), self._place(config)
        with late_import():
            from drumline.threads.showing import record
        store = threads_of(self._named(saver, thread, ns), graph.program, ns)
        if id_:
            saved = store.get(thread, ns, id_)
            found: Iterator[Saved] = iter([saved] if saved is not None and _fits(saved, filter, before, limit) else [])
        else:
            found = store.history(thread, ns, before=_id_in(before), limit=limit, metadata=filter)
        for saved in list(found):
            yield self.as_snapshot(record(graph.program, thread, saved))

    async def aget_state_history(
        self,
        config: Mapping[str, Any],
        *,
        filter: dict[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """The twin of `get_state_history`."""
        saver, (graph, thread, ns, id_) = self._saver(config), self._place(config)
        with late_import():
            from drumline.threads.showing import record
        store = threads_of(await self._anamed(saver, thread, ns), graph.program, ns)
        if id_:
            saved = await store.aget(thread, ns, id_)
            found = [saved] if saved is not None and _fits(saved, filter, before, limit) else []
        else:
            history = store.ahistory(thread, ns, before=_id_in(before), limit=limit, metadata=filter)
            found = [saved async for saved in history]
        for saved in found:
            yield self.as_snapshot(record(graph.program, thread, saved))

    # -- changing -----------------------------------------------------------------------------------

    def update_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """Change the state as if the node `as_node` had returned `values`; the config of the new checkpoint.

        Its edges and routers say what comes next, but nothing runs. Without `as_node` it is the node that ran last.
        `"__input__"` gives the values as a new input, `END` (with no values) drops what was still to do, `"__copy__"`
        makes a copy of the checkpoint beside it. InvalidUpdateError where it is not clear which node ran last, for a
        node that does not exist, and for values that the node cannot return.
        """
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    async def aupdate_state(
        self, config: Mapping[str, Any], values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """The twin of `update_state`."""
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """Several updates, one superstep and one checkpoint for each list; the config of the last checkpoint.

        ValueError for no updates, else as `update_state`. If one superstep is refused those before it stay.
        """
        graph, config, updates = self._updating(config, supersteps)
        call = self._update_call(config, updates)
        call.saver = self._named(call.saver, config["configurable"]["thread_id"], updates.ns)
        remote = self._where()
        if remote is not None:
            return place_of_update(list(remote.run(call)))
        with late_import():
            from drumline.embedded.driver import drive
        return place_of_update(list(drive(graph.program, call, strict=graph.strict_wire)))

    async def abulk_update_state(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """The twin of `bulk_update_state`."""
        graph, config, updates = self._updating(config, supersteps)
        call = self._update_call(config, updates)
        call.saver = await self._anamed(call.saver, config["configurable"]["thread_id"], updates.ns)
        remote = self._where()
        if remote is not None:
            return place_of_update([item async for item in remote.arun(call)])
        with late_import():
            from drumline.embedded.adriver import adrive
        return place_of_update([item async for item in adrive(graph.program, call, strict=graph.strict_wire)])

    # -- what a config means ------------------------------------------------------------------------

    def _saver(self, config: Mapping[str, Any]) -> Any:
        """What keeps the threads. In a node that hands its config on: what its run has."""
        context = (config.get("configurable") or {}).get(CONTEXT_KEY)
        if context is not None and context.job.thread is not None:
            return context.job.thread.store
        if self.checkpointer is True:
            raise RuntimeError("checkpointer=True cannot be used for root graphs.")
        remote = self._where()
        if remote is not None:
            return remote.thread_store
        if self.checkpointer is None:
            raise ValueError("No checkpointer set")
        return self.checkpointer

    def _named(self, saver: Any, thread: str, ns: str) -> Any:
        """The saver, or what stands for it and knows what it calls the tasks in a namespace: LangGraph's names."""
        store: Any = threads_of(saver, self.program) if ns else None
        if not hasattr(store, "learn"):
            return saver
        store.learn(thread, ns)
        return store

    async def _anamed(self, saver: Any, thread: str, ns: str) -> Any:
        """The twin of `_named`."""
        store: Any = threads_of(saver, self.program) if ns else None
        if not hasattr(store, "alearn"):
            return saver
        await store.alearn(thread, ns)
        return store

    def _place(self, config: Mapping[str, Any]) -> tuple[Any, str, str, str]:
        """The graph that a config means, its thread, its namespace there, and the checkpoint's id, if it names one."""
        configurable = merge_configs(self.config, config).get("configurable") or {}
        thread, ns = configurable.get("thread_id"), configurable.get("checkpoint_ns") or ""
        if thread is None:
            raise ValueError(
                f"The config names no thread of graph {self.program.name!r}: give "
                "config={'configurable': {'thread_id': ...}}."
            )
        graph = graph_at(self, ns) or self
        stable = graph is not self and graph.program.persists is True
        return graph, str(thread), thread_ns(ns, stable=stable), configurable.get("checkpoint_id") or ""

    def _updating(
        self, config: Mapping[str, Any], supersteps: Sequence[Sequence[StateUpdate]]
    ) -> tuple[Any, dict[str, Any], StateUpdates]:
        self._saver(config)
        updates = checked(supersteps)
        graph, thread, ns, id_ = self._place(config)
        if ns and graph is self:
            raise ValueError(f"Subgraph {'|'.join(names_of(ns))} not found")
        merged = merge_configs(self.config, config)
        own = {key: value for key, value in (merged.get("configurable") or {}).items() if key not in _PLACE}
        place = {"thread_id": thread, "checkpoint_ns": ns, **({"checkpoint_id": id_} if id_ else {})}
        return graph, {**merged, "configurable": {**own, **place}}, StateUpdates(ns, updates)

    def _update_call(self, config: Mapping[str, Any], updates: StateUpdates) -> Any:
        remote = self._where()
        call = self.prepare_call(updates, config, elsewhere=remote is not None, stream_mode="checkpoints")
        call.saver, call.caller = self._saver(config), None
        return call


def _id_in(config: Mapping[str, Any] | None) -> str:
    found: str = ((config or {}).get("configurable") or {}).get("checkpoint_id") or ""
    return found


def _fits(
    saved: Saved, metadata: Mapping[str, Any] | None, before: Mapping[str, Any] | None, limit: int | None
) -> bool:
    from drumline_protocol.checkpoints import metadata_of

    shown, older = metadata_of(saved.checkpoint), _id_in(before)
    return (
        (limit is None or limit > 0)
        and (not older or saved.checkpoint.id < older)
        and all(shown.get(key) == value for key, value in (metadata or {}).items())
    )
