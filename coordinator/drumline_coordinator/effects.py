"""Effects: what the machine wants done after an event. Pure data; a shell carries them out in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drumline_coordinator.cells import NewVersion
from drumline_coordinator.tasks import Task
from drumline_protocol.checkpoints import Save
from drumline_protocol.facts import Fact
from drumline_protocol.messages import CallEnded

#: in place of the number of an attempt: the timer is that of a whole superstep
STEP = 0


@dataclass(slots=True, init=False)
class Effects:
    """Facts to append, in order; tasks to dispatch; entries to forget; whether the run ended.

    `settled` lists (task, attempt) whose worker removed the entry itself; `withdrawn` those whose entry must be
    removed from its task stream; `more` says that planned tasks wait for the next window. `rows` go to the cell store,
    `dropped` names cells that nobody needs any more, `named` are names of blobs that facts speak of from now on.
    `saves` is what the run's thread keeps, `answers` are the ends of calls of `@task`s on a cluster. `timers` are (time
    in ms, task, attempt) of tasks that wait, `timers_dropped` (task, attempt) of those that need to wait no more.
    """

    facts: list[Fact]
    dispatch: list[Task]
    settled: list[tuple[str, int]]
    withdrawn: list[tuple[str, int]]
    cancelled: list[str]
    rows: list[NewVersion]
    dropped: list[str]
    named: list[str]
    timers: Sequence[tuple[float, str, int]]
    timers_dropped: Sequence[tuple[str, int]]
    saves: Sequence[Save]
    answers: Sequence[CallEnded]
    finished: bool
    more: bool

    def __init__(self) -> None:
        # Each event makes one of these: written out, it takes half the time of default factories.
        self.facts, self.dispatch, self.settled, self.withdrawn = [], [], [], []
        self.cancelled, self.rows, self.dropped, self.named = [], [], [], []
        self.timers = self.timers_dropped = self.saves = self.answers = ()
        self.finished = self.more = False
