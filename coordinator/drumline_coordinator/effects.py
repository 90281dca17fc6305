"""Effects: what the machine wants done after an event. Pure data; a shell carries them out in one commit."""

from __future__ import annotations

from dataclasses import dataclass

from drumline_coordinator.cells import NewVersion
from drumline_coordinator.tasks import Task
from drumline_protocol.facts import Fact


@dataclass(slots=True, init=False)
class Effects:
    """Facts to append, in order; tasks to dispatch; entries to forget; whether the run ended.

    `settled` lists (task, attempt) whose worker removed the entry itself; `withdrawn` those whose entry must be
    removed from its task stream; `more` says that planned tasks wait for the next window. `rows` go to the cell store,
    `dropped` names cells that nobody needs any more, `named` are names of blobs that facts speak of from now on.
    """

    facts: list[Fact]
    dispatch: list[Task]
    settled: list[tuple[str, int]]
    withdrawn: list[tuple[str, int]]
    cancelled: list[str]
    rows: list[NewVersion]
    dropped: list[str]
    named: list[str]
    finished: bool
    more: bool

    def __init__(self) -> None:
        # Each event makes one of these: written out, it takes half the time of default factories.
        self.facts, self.dispatch, self.settled, self.withdrawn = [], [], [], []
        self.cancelled, self.rows, self.dropped, self.named = [], [], [], []
        self.finished = self.more = False
