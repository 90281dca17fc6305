"""What a run knows of the thread that it is on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline_coordinator.tasks import Scope
from drumline_protocol.checkpoints import PendingWrite, Saved


@dataclass(slots=True)
class ThreadRun:
    """The thread of a run, as the run finds it.

    `saved` has the checkpoint that each graph goes on from, by the graph's namespace in the thread: the root's, and
    those of the graphs in its open tasks. `is_addressed`: the caller has named the root's. `resumes` tells a graph that
    a node calls whether its caller's run goes on; None: the input tells. `answers` are those to questions, by their
    ids; that under "" is for the next question that is asked. `is_strict`: an answer to a question that does not wait
    is refused. `parents` are the checkpoints that the graphs around a called graph stand at, by namespace.
    """

    id: str
    saved: dict[str, Saved] = field(default_factory=dict)
    is_addressed: bool = False
    resumes: bool | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    is_strict: bool = False
    parents: dict[str, str] = field(default_factory=dict)
    #: what checkpoints say of the run that made them
    metadata: dict[str, Any] = field(default_factory=dict)
    #: what configs of checkpoints repeat of the run's own
    configurable: dict[str, Any] = field(default_factory=dict)
    #: on a cluster: the newest checkpoint of the whole thread, and the number of its last change of a cell
    last: str = ""
    version: int = 0
    #: large values that results of earlier runs name, by the ids of their blobs
    values: dict[str, Any] = field(default_factory=dict)
    #: rows that graphs which the code of a task called have left, by the task's id
    called: dict[str, list[bytes]] = field(default_factory=dict)
    #: which run has answered which question, and the one that had the thread last: for who answers too late
    answered: dict[str, str] = field(default_factory=dict)
    former: str = ""


@dataclass(slots=True)
class GoingOn:
    """A graph that stands at a checkpoint, with what an earlier run has left of its tasks.

    It `forks`: a checkpoint of a branch of its own comes first. It `replays`: tasks that have ended run again.
    """

    scope: Scope
    saved: Saved
    pending: Sequence[PendingWrite]
    forks: bool = False
    replays: bool = False
