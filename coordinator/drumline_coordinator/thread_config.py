"""What a run's config says of its thread: which one, and which checkpoints of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_coordinator.thread_run import ThreadRun
from drumline_protocol.metadata import checkpoint_metadata

#: keys of `configurable` that name a place in a thread
PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map", "thread_id")


def thread_id_of(config: Mapping[str, Any]) -> str | None:
    """The thread that a config names; None if it names none."""
    thread = (config.get("configurable") or {}).get("thread_id")
    return None if thread is None else str(thread)


def checkpoints_named(config: Mapping[str, Any]) -> dict[str, str]:
    """The checkpoints that a config names, by namespace."""
    configurable = config.get("configurable") or {}
    ids = dict(configurable.get("checkpoint_map") or {})
    if configurable.get("checkpoint_id"):
        ids.setdefault(configurable.get("checkpoint_ns") or "", configurable["checkpoint_id"])
    return ids


def thread_run_of(thread: str, config: Mapping[str, Any], *, is_strict: bool = False) -> ThreadRun:
    """The run of a config on its thread, of which nothing was read yet."""
    configurable = config.get("configurable") or {}
    return ThreadRun(
        thread,
        is_addressed=bool(checkpoints_named(config)),
        is_strict=bool(configurable.get("__pregel_strict_resume", is_strict)),
        metadata=metadata_kept(config),
        configurable=configurable_shown(configurable, thread),
    )


def metadata_kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """What checkpoints say of a run: the metadata of its config, without what drumline puts there."""
    return checkpoint_metadata(config, {})


def configurable_shown(configurable: Mapping[str, Any], thread: str) -> dict[str, Any]:
    """What configs of checkpoints repeat of the run's own."""
    own = {k: v for k, v in configurable.items() if not k.startswith("__") and k not in PLACE}
    return {**own, "thread_id": thread}
