"""Messages about threads that are of no run, and what a task is told of its own. Import them from
`drumline_protocol.messages`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args


@dataclass(slots=True)
class ThreadSaves:
    """What somebody outside of any run adds to a thread whose head is the checkpoint `head` ("": it has none).

    `rows` are encoded `Checkpoint`s and `TaskWrites`. `run` names the answer: a log of that id tells how it ended.
    """

    run: str
    thread: str
    head: str
    rows: list[bytes]
    graph: str = ""


@dataclass(slots=True)
class DeleteThread:
    """Keep nothing of a thread, nor of its runs; one that is open ends. `run` names the answer, as in `ThreadSaves`."""

    run: str
    thread: str


#: in place of the run that names the answer to a message: nobody waits for one
NO_ANSWER = "none"


@dataclass(slots=True)
class PruneThread:
    """Drop what of a thread no `Retention` keeps (`retention` is one as a dict); if no checkpoint stays, all of it.

    An empty `retention` means the one that holds for the thread. `own`: from now on it is the thread's own, and nothing
    goes yet. `run` names the answer, as in `ThreadSaves`; `NO_ANSWER`: nobody waits for one, and a thread that is busy
    is left alone.
    """

    run: str
    thread: str
    retention: dict[str, Any]
    own: bool = False


#: what a thread must be for its metadata to be noted: there; not there; whichever, and then it is left as it is
IfThere = Literal["change", "refuse", "leave"]
IF_THERE: tuple[IfThere, ...] = get_args(IfThere)


@dataclass(slots=True)
class DescribeThread:
    """Note metadata of a thread, whether a run holds it or not. `run` names the answer, as in `ThreadSaves`.

    `if_there`: "change" adds to the metadata of a thread that is there; "refuse" and "leave" make one that is not, and
    refuse one that is, or leave it as it is.
    """

    run: str
    thread: str
    metadata: dict[str, Any]
    if_there: str = "change"


@dataclass(slots=True)
class TaskThread:
    """Where a task stands on its run's thread (`drumline_worker.job.JobThread`).

    `parents` has the checkpoints of the graphs around the task, by namespace. `answers` are those that this run was
    given, by question. `rows` are what graphs that the task's code called in an earlier run have added. `addressed`
    are the checkpoints that the run's caller has named, `single` is the question that has the only answer.
    """

    checkpoint: str
    parents: dict[str, str]
    resumes: bool
    answers: dict[str, Any]
    rows: list[bytes]
    addressed: dict[str, str] = field(default_factory=dict)
    single: str | None = None
    bound: str = ""
