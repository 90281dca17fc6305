"""Effects: what the machine wants done after an event. Pure data; a shell carries them out in one commit."""

from __future__ import annotations

from dataclasses import dataclass, field

from drumline_coordinator.cells import NewVersion
from drumline_coordinator.tasks import Task
from drumline_protocol.checkpoints import Save
from drumline_protocol.facts import Fact


@dataclass(slots=True)
class Effects:
    """Facts to append, in order; tasks to dispatch; entries to forget; whether the run ended.

    `settled` lists (task, attempt) whose worker removed the entry itself; `withdrawn` those whose entry must be
    removed from its task stream; `more` says that planned tasks wait for the next window. `rows` go to the cell store,
    `dropped` names cells that nobody needs any more, `named` are names of blobs that facts speak of from now on.
    `saves` is what the run's thread keeps. `timers` are (time in ms, task, attempt) of tasks that wait,
    `timers_dropped` (task, attempt) of those that need to wait no more.
    """

    facts: list[Fact] = field(default_factory=list)
    dispatch: list[Task] = field(default_factory=list)
    settled: list[tuple[str, int]] = field(default_factory=list)
    withdrawn: list[tuple[str, int]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    rows: list[NewVersion] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    timers: list[tuple[float, str, int]] = field(default_factory=list)
    timers_dropped: list[tuple[str, int]] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    finished: bool = False
    more: bool = False
