"""Paths of graphs within a run: what `GraphEntered.path` holds, and what sketches are filed under. Pure."""

from __future__ import annotations

from collections.abc import Sequence

#: begins the last part of a namespace that is no graph's: a run has it that the code of a task waits for
RUN_AT = "@"


def is_of_run(ns: str) -> bool:
    """Whether nothing but what such a run has left stands there."""
    return f"|{RUN_AT}" in ns


def child_path(path: str, node: str) -> str:
    """The path of the subgraph at `node` of the graph at `path` (`""` is the root)."""
    return f"{path}|{node}" if path else node


def thread_ns(ns: str, *, stable: bool = True) -> str:
    """The namespace under which a thread keeps the graph at `ns`.

    `stable`: one for all calls of a graph that has one history (`checkpointer=True`), without the ids of the tasks.
    """
    return "|".join(part.partition(":")[0] for part in ns.split("|")) if stable and ns else ns


def has_one_history(ns: str) -> bool:
    """Whether a thread keeps one history under `ns` for all calls of its graph (`checkpointer=True`)."""
    return bool(ns) and ":" not in ns


def task_of(ns: Sequence[str], task: str = "") -> str:
    """The id of the task whose graph has the namespace `ns`; `task` is what its `GraphEntered` says of that."""
    return task or ns[-1].rpartition(":")[2]
