"""Metadata of a run, of the graphs under it and of its tasks: what nodes find in their config, `messages` items carry
and `tasks` items show. Pure; the machine, workers and views share these rules (docs/semantics.md §1.6, §3.10, §4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: keys of `configurable` that are found in `metadata` too, as in LangGraph
_COPIED = ("thread_id", "checkpoint_id", "checkpoint_ns", "task_id", "run_id", "assistant_id", "graph_id")

#: keys that say where a task stands: `tasks` items and checkpoints leave them out
OF_A_TASK = frozenset(
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
    shown = {key: value for key, value in metadata.items() if key not in OF_A_TASK}
    if tags:
        shown["tags"] = list(tags)
    return shown


def checkpoint_metadata(config: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a checkpoint with those of the run's config: texts, numbers and truths that are not private."""
    shown = {key: value.replace("\0", "") if isinstance(value, str) else value for key, value in metadata.items()}
    for more in (config.get("metadata"), config.get("configurable")):
        for key, value in (more or {}).items():
            if key in shown or key in OF_A_TASK or key.startswith("__"):
                continue
            if isinstance(value, str):
                shown[key] = value.replace("\0", "")
            elif isinstance(value, (int, bool, float)):
                shown[key] = value
    return shown
