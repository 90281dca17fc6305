"""How fields of facts and messages that are not plain data go out: as lists and dicts of plain data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from drumline_protocol import facts as f
from drumline_protocol import messages as m


def tasks_out(tasks: Sequence[f.PlannedTask]) -> list[Any]:
    """The tasks of a plan."""
    return [[t.id, t.name, list(t.path), list(t.triggers), t.arg, t.hidden] for t in tasks]


def optional_tasks_out(tasks: Sequence[f.PlannedTask] | None) -> list[Any] | None:
    """The same, or none."""
    return None if tasks is None else tasks_out(tasks)


def pending_out(pending: Sequence[Any]) -> list[Any]:
    """Pending writes of a checkpoint."""
    return [list(write) for write in pending]


def held_out(held: Sequence[Sequence[int]]) -> list[Any]:
    """Values of a row that stand in cells."""
    return [list(each) for each in held]


def dropped_out(dropped: Sequence[tuple[str, tuple[str, ...]]]) -> list[Any]:
    """Tasks that will not run: name and triggers."""
    return [[name, list(triggers)] for name, triggers in dropped]


def kept_tasks_out(tasks: Sequence[f.TaskKept]) -> list[Any]:
    """The tasks of a graph in a head."""
    return [[list(v) if type(v) is tuple else v for v in map(partial(getattr, t), _KEPT_TASK)] for t in tasks]


_KEPT_TASK = tuple(x.name for x in fields(f.TaskKept))


def sketches_out(sketches: Any) -> Any:
    """Sketches as plain lists; what is encoded already passes."""
    if not isinstance(sketches, dict):
        return sketches
    return {
        path: [
            s.name,
            s.stream_keys,
            s.output_keys,
            {
                name: [n.reads, list(n.triggers), n.pool, n.metadata, list(n.tags), n.has_graph]
                for name, n in s.nodes.items()
            },
            s.managed,
        ]
        for path, s in sketches.items()
    }


def writes_out(writes: Any) -> Any:
    """The writes of a task; what is encoded already passes."""
    return [list(pair) for pair in writes] if type(writes) is list else writes


def changes_out(changes: dict[str, Any]) -> dict[str, Any]:
    """Changes by channel."""
    return {channel: list(change) for channel, change in changes.items()}


def named_out(named: dict[str, Any]) -> dict[str, Any]:
    """Versions of cells by channel."""
    return {channel: list(at) for channel, at in named.items()} if named else named


def below_out(below: m.TaskThread | None) -> list[Any] | None:
    """Where a task stands on a thread."""
    if below is None:
        return None
    where = [below.checkpoint, below.parents, below.resumes, below.answers, below.rows, below.addressed]
    return [*where, below.single, below.bound]
