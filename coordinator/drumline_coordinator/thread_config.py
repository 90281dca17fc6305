"""What a run's config says of its thread: which one, and which checkpoints of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.types import StateUpdates
from drumline_protocol.metadata import checkpoint_metadata

#: keys of `configurable` that name a place in a thread
PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map", "thread_id")


def thread_id_of(config: Mapping[str, Any]) -> str | None:
    """The thread that a config names; None if it names none."""
    thread = (config.get("configurable") or {}).get("thread_id")
    return None if thread is None else str(thread)


def thread_run_of(thread: str, config: Mapping[str, Any], input: Any = None, *, is_strict: bool = False) -> ThreadRun:
    """The run of a config on its thread, of which nothing was read yet.

    A config that names a graph within is one of the root all the same, as in LangGraph: of its checkpoints those in
    `checkpoint_map` count; an update is one of the graph that is named.
    """
    configurable = config.get("configurable") or {}
    ns, id_ = configurable.get("checkpoint_ns") or "", configurable.get("checkpoint_id")
    parents = dict(configurable.get("checkpoint_map") or {})
    named = dict(parents)
    if id_ and (not ns or isinstance(input, StateUpdates)):
        named.setdefault(ns, id_)
    shown = configurable_shown(configurable, thread)
    return ThreadRun(
        thread,
        addressed=named,
        is_strict=bool(configurable.get("__pregel_strict_resume", is_strict)),
        parents=parents,
        metadata=metadata_kept(config),
        configurable={**shown, **({"checkpoint_map": parents} if parents else {})},
    )


def metadata_kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """What checkpoints say of a run: the metadata of its config, without what drumline puts there."""
    return checkpoint_metadata(config, {})


def configurable_shown(configurable: Mapping[str, Any], thread: str) -> dict[str, Any]:
    """What configs of checkpoints repeat of the run's own."""
    own = {k: v for k, v in configurable.items() if not k.startswith("__") and k not in PLACE}
    return {**own, "thread_id": thread}
