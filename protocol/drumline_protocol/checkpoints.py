"""Checkpoints of threads, and what the tasks of the superstep behind them have written: the data, and no IO.

A *thread* is a tree of checkpoints. A checkpoint is the state of one graph between two supersteps. What its tasks then
write is kept beside it as *pending writes* until the next checkpoint follows. So a run that stopped in the middle of a
superstep goes on with the tasks that have not ended.

The root graph of a thread has the namespace `""`, a graph in a task `"node:task id"`, nested with `|`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drumline_graph.constants import INTERRUPT
from drumline_protocol.facts import PlannedTask

#: where a checkpoint comes from
INPUT, LOOP, UPDATE, FORK = "input", "loop", "update", "fork"

#: the task of writes that come from outside: a `Command` given as input
NULL_TASK = "00000000-0000-0000-0000-000000000000"

#: channels of pending writes that tell what became of a task. The newest write of a task to one of them holds.
ERROR, RESUME, NO_WRITES = "__error__", "__resume__", "__no_writes__"
ERROR_SOURCE = "__error_source_node__"
#: of a called `@task`, behind what it wrote: which call it was (`TaskCalled.call`)
CALL = "__call__"
#: of a task that is tried again: the number of the first call of its next try (`TaskCalled.path`)
CALLS_FROM = "__calls_from__"
CONTROL = frozenset((ERROR, ERROR_SOURCE, INTERRUPT, RESUME, CALL, CALLS_FROM))

#: digits of a fingerprint that tell versions of one graph apart
FINGERPRINT_DIGITS = 12

#: (task id, channel, value)
PendingWrite = tuple[str, str, Any]


class HeldAt(NamedTuple):
    """A value that is left out of a row, for the cell of its channel holds it: which one of the row's values it is, the
    version of the cell, and where in what that adds (`drumline_protocol.held`).
    """

    number: int
    version: int
    start: int
    items: int


@dataclass(slots=True)
class Checkpoint:
    """The state of one graph of a thread between two supersteps.

    `parent` is the id of the checkpoint that it follows, "" for the first one; `parents` has the ids of those that the
    graphs around it stood at, by namespace. `step` counts from -1, the input. `tasks` are those of the next superstep.
    `updated` names the channels that the last one changed (None: unknown). `metadata` is that of the run's config.
    `fingerprint` is that of the graph itself, or its beginning ("": unknown).
    """

    id: str
    ns: str
    parent: str
    source: str
    step: int
    at_ms: float
    cells: dict[str, Any]
    versions: dict[str, int]
    seen: dict[str, dict[str, int]]
    updated: tuple[str, ...] | None = None
    tasks: list[PlannedTask] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    #: how large cells are kept, as in `GraphKept`; a stored row leaves them out of `cells`
    kept: dict[str, Any] = field(default_factory=dict)
    #: of a stored row: values of its input that stand in cells
    held: tuple[HeldAt, ...] = ()


@dataclass(slots=True)
class TaskWrites:
    """What a task of the superstep behind a checkpoint has written, or what became of it."""

    ns: str
    checkpoint: str
    task: str
    writes: list[tuple[str, Any]]
    path: tuple[Any, ...] = ()
    #: of a stored row: values that stand in cells
    held: tuple[HeldAt, ...] = ()


#: what a run adds to its thread, in order
Save = Checkpoint | TaskWrites


@dataclass(slots=True)
class Saved:
    """A checkpoint as it was found, with the pending writes of its tasks. `is_head`: nothing follows it."""

    checkpoint: Checkpoint
    pending: list[PendingWrite]
    is_head: bool = True


@dataclass(slots=True)
class Outcome:
    """What became of one task of an open superstep. `output` is what it wrote; empty unless it has ended."""

    output: list[tuple[str, Any]] = field(default_factory=list)
    interrupts: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    error: Any = None
    #: the task's own node, if an error handler has got its error
    source: str = ""
    #: the number of the first call of a `@task` that its last try has made
    calls_from: int = 0
    #: of a called `@task`: which call it was
    call: tuple[str, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether the task has its result."""
        return bool(self.output)

    @property
    def open_interrupts(self) -> list[Any]:
        """The questions that wait for an answer."""
        return [] if self.output else self.interrupts


def outcomes(pending: Iterable[PendingWrite]) -> dict[str, Outcome]:
    """What became of each task that has written something, by its id."""
    found: dict[str, Outcome] = {}
    for task, channel, value in pending:
        if task == NULL_TASK:
            continue
        outcome = found.get(task)
        if outcome is None:
            outcome = found[task] = Outcome()
        if channel == INTERRUPT:
            outcome.interrupts = list(value) if isinstance(value, (list, tuple)) else [value]
        elif channel == RESUME:
            outcome.answers = list(value) if isinstance(value, list) else [value]
        elif channel == ERROR:
            outcome.error = value
        elif channel == ERROR_SOURCE:
            outcome.source = str(value)
        elif channel == CALLS_FROM:
            outcome.calls_from = int(value)
        elif channel == CALL:
            outcome.call = tuple(value)
        else:
            outcome.output.append((channel, value))
    return found


def null_writes(pending: Iterable[PendingWrite]) -> list[tuple[str, Any]]:
    """What was written from outside of any task."""
    return [(channel, value) for task, channel, value in pending if task == NULL_TASK]


def merged(pending: Iterable[PendingWrite], saved: TaskWrites) -> list[PendingWrite]:
    """The pending writes with those of `saved`: for what becomes of a task the newest one holds."""
    new = [(saved.task, channel, value) for channel, value in saved.writes]
    replaced = {channel for _, channel, _ in new if channel in CONTROL}
    kept = [write for write in pending if not (write[0] == saved.task and write[1] in replaced)]
    if any(channel not in CONTROL for _, channel, _ in new) and saved.task != NULL_TASK:
        kept = [write for write in kept if not (write[0] == saved.task and write[1] not in CONTROL)]
    return [*kept, *new]


def fingerprint_kept(fingerprint: str) -> str:
    """What rows keep of the fingerprint of a graph, and people are told."""
    return fingerprint[:FINGERPRINT_DIGITS]


def made_by(kept: str, fingerprint: str) -> bool:
    """Whether a checkpoint that has `kept` was made by the graph of that fingerprint."""
    return bool(kept) and fingerprint.startswith(kept)


def joined_ns(ns: Sequence[str]) -> str:
    """A namespace as checkpoints have it."""
    return "|".join(ns)


def split_ns(ns: str) -> tuple[str, ...]:
    """A namespace as facts have it."""
    return tuple(ns.split("|")) if ns else ()


def metadata_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The metadata of a checkpoint as its readers see it, that of LangGraph's checkpoints."""
    own: Mapping[str, Any] = {"source": checkpoint.source, "step": checkpoint.step, "parents": checkpoint.parents}
    return {**checkpoint.metadata, **own}
