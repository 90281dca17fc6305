"""Metadata of a run, of the graphs under it and of its tasks: what nodes find in their config, `messages` items carry
and `tasks` items show. Pure; the machine, workers and views share these rules (docs/semantics.md §1.6, §3.10, §4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: keys of `configurable` that are found in `metadata` too, as in LangGraph
_COPIED = ("thread_id", "checkpoint_id", "checkpoint_ns", "task_id", "run_id", "assistant_id", "graph_id")

#: keys that `tasks` items leave out, because they say what the item itself says
_NOT_SHOWN = frozenset(
    {
        "thread_id",
        "checkpoint_id",
        "checkpoint_ns",
        "checkpoint_map",
        "langgraph_step",
        "langgraph_node",
        "langgraph_triggers",
        "langgraph_path",
        "langgraph_checkpoint_ns",
    }
)


def run_metadata(config: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of a run: the caller's, and some keys of `configurable` under it."""
    configurable = config.get("configurable") or {}
    copied = {key: configurable[key] for key in _COPIED if configurable.get(key)}
    return {**copied, **(config.get("metadata") or {})}


def metadata_below(metadata: Mapping[str, Any], node: Mapping[str, Any] | None, ns: Sequence[str]) -> dict[str, Any]:
    """Metadata of the graph `ns` that runs in a task: its graph's, its node's, and the outermost namespace."""
    return {"checkpoint_ns": "|".join(ns), **metadata, **(node or {})}


def task_metadata(
    metadata: Mapping[str, Any],
    node: Mapping[str, Any] | None,
    *,
    step: int,
    name: str,
    triggers: Sequence[str],
    path: Sequence[Any],
    ns: Sequence[str],
) -> dict[str, Any]:
    """Metadata of one task: its graph's, its node's, and the five `langgraph_*` keys. `ns` ends with the task."""
    return {
        **metadata,
        **(node or {}),
        "langgraph_step": step,
        "langgraph_node": name,
        "langgraph_triggers": tuple(triggers),
        "langgraph_path": tuple(path),
        "langgraph_checkpoint_ns": "|".join(ns),
    }


def shown_metadata(metadata: Mapping[str, Any], tags: Sequence[str]) -> dict[str, Any]:
    """What a `tasks` item shows of a task's metadata and tags; empty if there is nothing to show."""
    shown = {key: value for key, value in metadata.items() if key not in _NOT_SHOWN}
    if tags:
        shown["tags"] = list(tags)
    return shown
