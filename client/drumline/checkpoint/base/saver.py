"""LangGraph's interface of a saver: for those who call one, give drumline's to LangGraph, or write their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from typing_extensions import Self

from drumline.checkpoint.base.types import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
)
from drumline_graph.loaded import loaded

V = TypeVar("V", int, float, str)

Config = Mapping[str, Any]


class _Collected:
    """What delta channels were written, read from a checkpoint back to where each has its value."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
        self._seeds: dict[str, Any] = {}

    def take(self, found: CheckpointTuple | None) -> Any:
        """Look at one ancestor; the config of the next one, or None."""
        if found is None:
            return None
        for write in reversed(found.pending_writes or ()):
            if write[1] in self._writes and write[1] not in self._seeds:
                self._writes[write[1]].append(write)
        values = found.checkpoint["channel_values"]
        self._seeds.update({name: values[name] for name in self._writes if name in values and name not in self._seeds})
        return found.parent_config if len(self._seeds) < len(self._writes) else None

    def result(self) -> dict[str, DeltaChannelHistory]:
        """By channel, the oldest write first."""
        found: dict[str, DeltaChannelHistory] = {}
        for channel, writes in self._writes.items():
            found[channel] = {"writes": writes[::-1]}
            if channel in self._seeds:
                found[channel]["seed"] = self._seeds[channel]
        return found


class BaseCheckpointSaver(Generic[V]):
    """Base of savers with LangGraph's interface; what a subclass does not have raises NotImplementedError.

    LangGraph takes an instance for one of its own `BaseCheckpointSaver`, if LangGraph is there.
    """

    serde: Any = None

    def __init__(self, *, serde: Any = None) -> None:
        if serde is not None:
            self.serde = serde

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What `isinstance` asks when the type itself does not tell: LangGraph looks for its own base there."""
        theirs = loaded("langgraph.checkpoint.base")
        return type(self) if theirs is None else _both(type(self), theirs.BaseCheckpointSaver)

    @property
    def config_specs(self) -> list[Any]:
        """Fields of `configurable` beside LangGraph's own."""
        return []

    def get(self, config: Config) -> Checkpoint | None:
        """The checkpoint that a config names, or the newest one of its thread."""
        found = self.get_tuple(config)
        return None if found is None else found.checkpoint

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """The same with all that belongs to it."""
        raise NotImplementedError

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, the newest first: of the thread (and namespace) that a config names, with this metadata."""
        raise NotImplementedError

    def put(
        self, config: Config, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> Any:
        """Keep a checkpoint behind the one that the config names; the config that names the new one."""
        raise NotImplementedError

    def put_writes(self, config: Config, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Keep what a task has written on top of a checkpoint."""
        raise NotImplementedError

    def delete_thread(self, thread_id: str) -> None:
        """Leave nothing of a thread."""
        raise NotImplementedError

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata have these `run_id`s."""
        raise NotImplementedError

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Put all of one thread under another id too."""
        raise NotImplementedError

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace, or (`"delete"`) nothing."""
        raise NotImplementedError

    async def aget(self, config: Config) -> Checkpoint | None:
        """The twin of `get`."""
        found = await self.aget_tuple(config)
        return None if found is None else found.checkpoint

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        """The twin of `get_tuple`."""
        raise NotImplementedError

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The twin of `list`."""
        del config, filter, before, limit
        raise NotImplementedError
        yield

    async def aput(
        self, config: Config, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> Any:
        """The twin of `put`."""
        raise NotImplementedError

    async def aput_writes(
        self, config: Config, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """The twin of `put_writes`."""
        raise NotImplementedError

    async def adelete_thread(self, thread_id: str) -> None:
        """The twin of `delete_thread`."""
        raise NotImplementedError

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """The twin of `delete_for_runs`."""
        raise NotImplementedError

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """The twin of `copy_thread`."""
        raise NotImplementedError

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """The twin of `prune`."""
        raise NotImplementedError

    def get_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What delta channels were written on the way to a checkpoint, since a checkpoint that holds their value."""
        collected = _Collected(channels)
        target = self.get_tuple(config) if channels else None
        at = None if target is None else target.parent_config
        while at is not None:
            at = collected.take(self.get_tuple(at))
        return collected.result()

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """The twin of `get_delta_channel_history`."""
        collected = _Collected(channels)
        target = await self.aget_tuple(config) if channels else None
        at = None if target is None else target.parent_config
        while at is not None:
            at = collected.take(await self.aget_tuple(at))
        return collected.result()

    def get_next_version(self, current: V | None, channel: None) -> V:
        """The version that follows `current`: numbers count by one. NotImplementedError for texts."""
        del channel
        if isinstance(current, str):
            raise NotImplementedError
        return 1 if current is None else current + 1  # type: ignore[return-value]

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Self:
        """The saver itself: drumline's codec builds nothing by a name that it finds in bytes."""
        del extra_allowlist
        return self


_classes: dict[tuple[type, type], type] = {}


def _both(ours: type, theirs: type) -> type:
    found = _classes.get((ours, theirs))
    if found is None:
        found = _classes[ours, theirs] = type(ours.__name__, (ours, theirs), {"__module__": ours.__module__})
    return found
