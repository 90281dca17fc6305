"""Facts that say at once what many others had made of a run: those of a head, or of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Namespace = tuple[str, ...]


@dataclass(slots=True)
class RunKept:
    """In a head: what is known of a run beside its graphs. `log_bytes` is what its log takes up to here.

    `since` is the id of a log entry: all events of the tasks that are open now lie behind it. Empty: they have none.
    """

    version: int
    noticed: tuple[str, ...]
    heard: dict[str, Any]
    log_bytes: int
    since: str = ""
    #: the id of the newest checkpoint that the run has made, or began from
    checkpoint: str = ""
    #: why it is to stop at the end of its open superstep; empty: it is not
    drain: str = ""


@dataclass(slots=True)
class TaskKept:
    """A task of the open superstep in a `GraphKept`. `story` has the letter of each status that it has had."""

    id: str
    name: str
    path: tuple[Any, ...]
    triggers: tuple[str, ...]
    input: Any
    phase: str
    story: str
    attempt: int
    lost: int
    deaths: int
    executor: str
    n: int
    writes: Any
    interrupts: Any
    reason: str
    answers: list[Any] = field(default_factory=list)
    tries: int = 1
    first_ms: float = 0.0
    due_ms: float = 0.0
    called: int = 0
    #: of an error handler: the node that failed, and its error
    failed: str = ""
    error: Any = None
    #: of a called `@task`: the id of its caller, which call it is, and where workers find it
    caller: str = ""
    call: tuple[str, ...] = ()
    code: str = ""
    #: the numbers of its next call of a `@task`, and of the first one of its open try
    calls_made: int = 0
    calls_from: int = 0


@dataclass(slots=True)
class GraphKept:
    """In a head: one open graph as it stands; parents come before the graphs in their nodes.

    `cells` are the values of its channels, but those that `kept` names: in the cell store (`[version, base, rows,
    bytes, bytes of the value]`), or as the `Named` of a blob. `output` is what the graph would return if that is
    something else than what its cells hold. `flags` are those of `leaving`, `asks`, `paused`, `resumed` and `now`
    (there is an output, and the cells hold it) that are set.
    """

    ns: Namespace
    path: str
    step: int
    cells: dict[str, Any]
    kept: dict[str, Any]
    versions: dict[str, Any]
    seen: dict[str, Any]
    output: Any
    flags: tuple[str, ...]
    tasks: list[TaskKept]
    #: its step limit; 0: that of the run
    stop: int = 0
    #: the id of the checkpoint that the superstep started from, of a graph of a thread
    checkpoint: str = ""
    #: as in `GraphEntered`
    task: str = ""
    #: the `rest` of its `UpdateBegun`; None: it is not updated
    updates: Any = None
    #: what an earlier run of the thread has left of tasks that have not been called again yet
    left: list[Any] = field(default_factory=list)
    #: in a process that has read them: the values of the cells that `kept` names
    opened: dict[str, Any] | None = None
