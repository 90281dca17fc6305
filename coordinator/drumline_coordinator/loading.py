"""What a run must know of its thread before it begins: the root's checkpoint, and those of the graphs in its tasks.

Written as generators that yield what is to be read, so that all callers share them. Pure.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from drumline_coordinator.checkpointing import planned_rows
from drumline_coordinator.resuming import tasks_behind
from drumline_graph.program import Program
from drumline_graph.superstep import State
from drumline_protocol.checkpoints import Saved, outcomes, split_ns
from drumline_protocol.facts import PlannedTask


@dataclass(frozen=True, slots=True)
class Read:
    """A checkpoint to be read; without an id the newest one of its namespace."""

    ns: str
    checkpoint: str = ""


Loading = Generator[Read, "Saved | None", dict[str, Saved]]


def load(program: Program, ns: str, ids: dict[str, str]) -> Loading:
    """The checkpoint of a graph and of the graphs in its open tasks, by namespace. `ids` names some of them."""
    found: dict[str, Saved] = {}
    saved = yield Read(ns, ids.get(ns, ""))
    if saved is None:
        return found
    found[ns] = saved
    for task in open_tasks(program, saved):
        node = program.nodes.get(task.name)
        if node is not None and node.subprogram is not None and node.subprogram.persists is not False:
            below = f"{task.name}:{task.id}"
            found.update((yield from load(node.subprogram, f"{ns}|{below}" if ns else below, ids)))
    return found


def program_at(program: Program, base: str, ns: str) -> Program:
    """The graph whose checkpoints have the namespace `ns`, within that of `program`, which is `base`.

    Where a part names no graph within (a call's number, a node that calls graphs by itself), the one around it.
    """
    for part in split_ns(ns)[len(split_ns(base)) :]:
        node = program.nodes.get(part.partition(":")[0])
        if node is not None and node.subprogram is not None:
            program = node.subprogram
    return program


def open_tasks(program: Program, saved: Saved) -> list[PlannedTask]:
    """The tasks of the superstep behind a checkpoint that have no result."""
    done = {task for task, outcome in outcomes(saved.pending).items() if outcome.has_ended}
    return [task for task in tasks_of(program, saved) if task.id not in done]


def tasks_of(program: Program, saved: Saved) -> list[PlannedTask]:
    """The tasks of the superstep behind a checkpoint, as this graph plans them."""
    checkpoint = saved.checkpoint
    step = checkpoint.step + 1
    planned = tasks_behind(program, state_of(saved), step, step + 1)
    return planned_rows(program, checkpoint.id, split_ns(checkpoint.ns), planned, step)


def state_of(saved: Saved) -> State:
    """The state of the graph at a checkpoint."""
    checkpoint = saved.checkpoint
    seen = {name: dict(versions) for name, versions in checkpoint.seen.items()}
    return State(dict(checkpoint.cells), dict(checkpoint.versions), seen, max(checkpoint.versions.values(), default=0))
