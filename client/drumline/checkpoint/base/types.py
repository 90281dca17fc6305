"""Checkpoints as LangGraph's savers take and give them: plain dicts, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal, NamedTuple

from typing_extensions import NotRequired, TypedDict

from drumline.checkpoint.base.id import uuid6
from drumline_graph.constants import INTERRUPT
from drumline_graph.errors import EmptyChannelError
from drumline_protocol.checkpoints import ERROR, RESUME
from drumline_protocol.metadata import OF_A_TASK, checkpoint_metadata

#: (task id, channel, value)
PendingWrite = tuple[str, str, Any]

ChannelVersions = dict[str, str | int | float]

#: the version of the form that `empty_checkpoint` and `create_checkpoint` write
LATEST_VERSION = 2

#: the places of what became of a task: below those of what it wrote, which count from 0
WRITES_IDX_MAP = {ERROR: -1, "__scheduled__": -2, INTERRUPT: -3, RESUME: -4}

#: keys of a config that name a place in a thread, or a task: no metadata of a checkpoint
EXCLUDED_METADATA_KEYS = OF_A_TASK


class CheckpointMetadata(TypedDict, total=False):
    """What is told of a checkpoint beside its state, with whatever the run's config adds."""

    source: Literal["input", "loop", "update", "fork"]
    step: int
    parents: dict[str, str]
    run_id: str
    counters_since_delta_snapshot: dict[str, tuple[int, int]]


class Checkpoint(TypedDict):
    """The state of one graph of a thread between two supersteps."""

    v: int
    id: str
    ts: str
    channel_values: dict[str, Any]
    channel_versions: ChannelVersions
    versions_seen: dict[str, ChannelVersions]
    updated_channels: list[str] | None


class CheckpointTuple(NamedTuple):
    """A checkpoint with its place, its parent's place, and the writes of the superstep behind it."""

    config: Any
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    parent_config: Any = None
    pending_writes: list[PendingWrite] | None = None


class DeltaChannelHistory(TypedDict):
    """What a delta channel was written since the nearest checkpoint that holds its value, which is `seed`."""

    writes: list[PendingWrite]
    seed: NotRequired[Any]


def writes_sort_key(task_path: str, task_id: str = "", idx: int = 0) -> tuple[str, str, int]:
    """What the writes of one superstep are sorted by."""
    return (task_path, task_id, idx)


def copy_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """A copy that shares the values."""
    copied: Any = {
        "v": checkpoint["v"],
        "ts": checkpoint["ts"],
        "id": checkpoint["id"],
        "channel_values": dict(checkpoint["channel_values"]),
        "channel_versions": dict(checkpoint["channel_versions"]),
        "versions_seen": {node: dict(seen) for node, seen in checkpoint["versions_seen"].items()},
        "pending_sends": list(checkpoint.get("pending_sends", ())),  # type: ignore[call-overload]
        "updated_channels": checkpoint.get("updated_channels"),
    }
    found: Checkpoint = copied
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def empty_checkpoint() -> Checkpoint:
    """The checkpoint of a thread on which nothing has happened."""
    made: Any = {
        "v": LATEST_VERSION,
        "id": str(uuid6(clock_seq=-2)),
        "ts": _now(),
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
        "pending_sends": [],
        "updated_channels": None,
    }
    found: Checkpoint = made
    return found


def create_checkpoint(
    checkpoint: Checkpoint, channels: Mapping[str, Any] | None, step: int, *, id: str | None = None
) -> Checkpoint:
    """The checkpoint that follows another one, with the values of `channels` (LangGraph's objects; None: the same)."""
    values = checkpoint["channel_values"]
    if channels is not None:
        values = {}
        for name, channel in channels.items():
            if name in checkpoint["channel_versions"]:
                try:
                    values[name] = channel.checkpoint()
                except EmptyChannelError:
                    continue
    made: Any = {
        "v": LATEST_VERSION,
        "ts": _now(),
        "id": id or str(uuid6(clock_seq=step)),
        "channel_values": values,
        "channel_versions": checkpoint["channel_versions"],
        "versions_seen": checkpoint["versions_seen"],
        "pending_sends": checkpoint.get("pending_sends", []),
        "updated_channels": None,
    }
    found: Checkpoint = made
    return found


def get_checkpoint_id(config: Any) -> str | None:
    """The id of the checkpoint that a config names."""
    found: str | None = config["configurable"].get("checkpoint_id")
    return found


def get_checkpoint_metadata(config: Any, metadata: Any) -> Any:
    """The metadata of a checkpoint with those of the run's config: texts, numbers and truths that are not private."""
    return checkpoint_metadata(config, metadata)


def get_serializable_checkpoint_metadata(config: Any, metadata: Any) -> Any:
    """The same without the writes that old versions of LangGraph put there."""
    shown = get_checkpoint_metadata(config, metadata)
    shown.pop("writes", None)
    return shown
