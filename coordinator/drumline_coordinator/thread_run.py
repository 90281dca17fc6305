"""What a run knows of the thread that it is on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline_coordinator.tasks import Scope
from drumline_protocol.checkpoint_ids import NEXT
from drumline_protocol.checkpoints import PendingWrite, Saved
from drumline_protocol.replay import Replay


@dataclass(slots=True)
class ThreadRun:
    """The thread of a run, as the run finds it.

    `saved` has the checkpoint that each graph goes on from, by the graph's namespace in the thread: the root's, those
    of the graphs in its open tasks, and those of graphs with one history for all their calls. `addressed` are ids of
    checkpoints that the caller has named, by namespace. `replay`: an old checkpoint is run again. `resumes` tells a
    graph that a node calls whether its caller's run goes on; None: the input tells. `answers` are those to questions,
    by their ids; that under "" is for the next question that is asked. `is_strict`: an answer to a question that does
    not wait is refused. `parents` are the checkpoints that the graphs around a called graph stand at, by namespace.
    """

    id: str
    saved: dict[str, Saved] = field(default_factory=dict)
    addressed: dict[str, str] = field(default_factory=dict)
    replay: Replay | None = None
    #: the id of the newest checkpoint of the graph that the run is of
    newest: str = ""
    resumes: bool | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    is_strict: bool = False
    parents: dict[str, str] = field(default_factory=dict)
    #: on a cluster: the task that has the answer for whoever asks next, until it says whether it took it
    lent: str = ""
    #: the question that was given the only answer, if it is known
    single: str | None = None
    #: the questions that tasks had asked when they were taken up
    asked: dict[str, set[str]] = field(default_factory=dict)
    #: tasks whose results the checkpoint has that the run began from: those stay as they are
    settled: set[str] = field(default_factory=set)
    #: whether what nodes are said to have returned becomes their tasks' results (`updating`)
    keeps_results: bool = True
    #: what checkpoints say of the run that made them
    metadata: dict[str, Any] = field(default_factory=dict)
    #: what configs of checkpoints repeat of the run's own
    configurable: dict[str, Any] = field(default_factory=dict)
    #: on a cluster: the newest checkpoint of the whole thread when the run began, or of what its tasks have called
    #: since; and the number of the last change of a cell
    last: str = ""
    version: int = 0
    #: large values that results of earlier runs name, by the ids of their blobs
    values: dict[str, Any] = field(default_factory=dict)
    #: rows that graphs which the code of a task called have left, by the task's id
    called: dict[str, list[bytes]] = field(default_factory=dict)
    #: what people are to be told of how the run begins
    notes: list[str] = field(default_factory=list)
    #: the same of graphs with one history for all their calls, by namespace, and of graphs below those
    called_one: dict[str, list[bytes]] = field(default_factory=dict)
    #: which run has answered which question, and the one that had the thread last: for who answers too late
    answered: dict[str, str] = field(default_factory=dict)
    former: str = ""
    #: the run is one that the code of a task waits for: it is on no thread of its own, and leaves rows with that task
    within: bool = False
    #: how often what `called` has of tasks of this run was changed
    changes: int = 0

    @property
    def travels(self) -> bool:
        """Whether older checkpoints than the newest one of a graph may be asked for."""
        return bool(self.addressed) or self.replay is not None

    @property
    def untold(self) -> tuple[Any, ...]:
        """What changes while the run goes on, and no fact tells.

        The answer for whoever asks next, whether it is there and which task has it; how many tasks have been sent that
        a replay is told of; what stays of an old checkpoint; what called graphs have left.
        """
        sent = 0 if self.replay is None else len(self.replay.tasks)
        return NEXT in self.answers, self.lent, sent, len(self.settled), self.keeps_results, self.changes

    def lend(self, task: str) -> None:
        """The answer for whoever asks next goes to this task, if it is there and nobody has it: it answers once.

        In one process whoever asks takes it (`interrupt`); elsewhere it must be somebody's beforehand.
        """
        if NEXT in self.answers and not self.lent:
            self.lent = task

    def settle_lent(self, task: str, *, took: bool) -> None:
        """The task has ended, or asks: it took the answer that it was lent, or the next one gets it."""
        if self.lent == task:
            self.lent = ""
            if took:
                self.answers.pop(NEXT, None)


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
    #: the channels that may trigger its next tasks; None: any
    updated: set[str] | None = None
