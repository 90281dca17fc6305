"""A saver for graphs that a node's code calls: LangGraph's own loop runs those, and keeps them on the run's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from drumline.langgraph.saver_calls import acall, method_of
from drumline.langgraph.their_ids import Names
from drumline_worker.job import JobThread


def saver_of(thread: JobThread) -> Any:
    """What LangGraph's loop keeps a called graph with: where the thread of the run is kept.

    None on a worker, which writes no thread: there a graph that a node's code calls starts over.
    """
    store = thread.store
    if not hasattr(store, "saver"):
        return None
    names = getattr(store, "names", None)
    return store.saver if names is None else RenamingSaver(store.saver, names)


class RenamingSaver(BaseCheckpointSaver[Any]):
    """A saver that knows namespaces by LangGraph's names of tasks, for code that is told drumline's."""

    def __init__(self, saver: Any, names: Names) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver
        self._names = names

    def get_next_version(self, current: Any, channel: Any) -> Any:
        """The saver's own."""
        return self._saver.get_next_version(current, channel)

    def _at(self, config: Any) -> Any:
        return None if config is None else _with_ns(config, self._names.their_ns)

    def _back(self, found: Any) -> Any:
        if found is None:
            return None
        parent = found.parent_config
        return CheckpointTuple(
            _with_ns(found.config, self._names.our_ns),
            found.checkpoint,
            found.metadata,
            None if parent is None else _with_ns(parent, self._names.our_ns),
            found.pending_writes,
        )

    def get_tuple(self, config: Any) -> Any:
        return self._back(self._saver.get_tuple(self._at(config)))

    async def aget_tuple(self, config: Any) -> Any:
        return self._back(await acall(self._saver, "get_tuple", self._at(config)))

    def list(self, config: Any, **limits: Any) -> Iterator[Any]:
        before = limits.pop("before", None)
        return map(self._back, self._saver.list(self._at(config), before=self._at(before), **limits))

    async def alist(self, config: Any, **limits: Any) -> AsyncIterator[Any]:
        before = limits.pop("before", None)
        async for found in self._saver.alist(self._at(config), before=self._at(before), **limits):
            yield self._back(found)

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        put = self._saver.put(self._at(config), checkpoint, self._renamed(metadata), new_versions)
        return _with_ns(put, self._names.our_ns)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        put = await acall(self._saver, "put", self._at(config), checkpoint, self._renamed(metadata), new_versions)
        return _with_ns(put, self._names.our_ns)

    def _renamed(self, metadata: Any) -> Any:
        parents = {self._names.their_ns(ns): id_ for ns, id_ in metadata.get("parents", {}).items()}
        return {**metadata, "parents": parents}

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        method_of(self._saver, "put_writes")(self._at(config), writes, task_id, task_path)

    async def aput_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await acall(self._saver, "put_writes", self._at(config), writes, task_id, task_path)


def _with_ns(config: Any, rename: Any) -> Any:
    configurable = config["configurable"]
    ns = rename(configurable.get("checkpoint_ns") or "")
    return {**config, "configurable": {**configurable, "checkpoint_ns": ns}}
