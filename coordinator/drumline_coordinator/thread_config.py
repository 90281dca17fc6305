"""What a run's config says of its thread: which one, and which checkpoints of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.types import StateUpdates
from drumline_protocol.checkpoints import split_ns
from drumline_protocol.messages import RunRequest
from drumline_protocol.metadata import checkpoint_metadata

#: keys of `configurable` that name a place in a thread
PLACE = ("checkpoint_ns", "checkpoint_id", "checkpoint_map", "thread_id")


def thread_id_of(config: Mapping[str, Any]) -> str | None:
    """The thread that a config names; None if it names none."""
    thread = (config.get("configurable") or {}).get("thread_id")
    return None if thread is None else str(thread)


def thread_of_request(request: RunRequest) -> str | None:
    """The thread that a request's run is to hold; None if it is on none, or within the run that holds it."""
    return None if request.within else thread_id_of(request.config)


def root_of(request: RunRequest) -> tuple[str, ...]:
    """The namespace of the graph that a request runs: of one within, if its state is to be changed."""
    return split_ns(request.input.ns) if isinstance(request.input, StateUpdates) else ()


def checkpoints_named(config: Mapping[str, Any], *, updates: bool = False) -> dict[str, str]:
    """The checkpoints that a config names, by namespace.

    A config that names a graph within is one of the root all the same, as in LangGraph: of its checkpoints those in
    `checkpoint_map` count. `updates`: it is that graph which is meant.
    """
    configurable = config.get("configurable") or {}
    ids = dict(configurable.get("checkpoint_map") or {})
    ns, id_ = configurable.get("checkpoint_ns") or "", configurable.get("checkpoint_id")
    if id_ and (updates or not ns):
        ids.setdefault(ns, id_)
    return ids


def thread_run_of(
    thread: str, config: Mapping[str, Any], *, is_strict: bool = False, updates: bool = False
) -> ThreadRun:
    """The run of a config on its thread, of which nothing was read yet."""
    configurable = config.get("configurable") or {}
    named = checkpoints_named(config, updates=updates)
    parents = dict(configurable.get("checkpoint_map") or {})
    shown = configurable_shown(configurable, thread)
    return ThreadRun(
        thread,
        addressed=named,
        parents=parents,
        is_strict=bool(configurable.get("__pregel_strict_resume", is_strict)),
        metadata=metadata_kept(config),
        configurable={**shown, "checkpoint_map": parents} if parents else shown,
    )


def metadata_kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """What checkpoints say of a run: the metadata of its config, without what drumline puts there."""
    found = checkpoint_metadata(config, {})
    return {key: value for key, value in found.items() if key not in PLACE and not key.startswith("langgraph_")}


def configurable_shown(configurable: Mapping[str, Any], thread: str) -> dict[str, Any]:
    """What configs of checkpoints repeat of the run's own."""
    own = {k: v for k, v in configurable.items() if not k.startswith("__") and k not in PLACE}
    return {**own, "thread_id": thread}
