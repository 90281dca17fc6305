"""Events that come after the result of their task. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumline_coordinator.tasks import DONE
from drumline_protocol.facts import Noticed
from drumline_protocol.messages import Events

if TYPE_CHECKING:
    from drumline_coordinator.run import Run


def late_notice(run: Run, event: Events) -> list[Noticed]:
    """Late events are left out and counted; the first ones are told of.

    No news are events of a retracted attempt, and repeats: a worker whose reply was lost says everything twice.
    """
    id_, end = event.task, event.n + len(event.items)
    task = run.tasks.get(id_)
    attempt, heard = run.heard.get(id_, (0, 0)) if task is None else (task.attempt, task.n)
    if event.attempt != attempt or end <= heard or (task is not None and task.status is not DONE):
        return []
    first = not run.late
    run.late += end - heard
    if task is None:
        run.heard[id_] = attempt, end
    else:
        task.n = end
    if not first:
        return []
    of = "a task" if task is None else f"node {task.name!r}"
    return [
        Noticed(
            f"events of {of} came after its result and were left out: what a node starts must end before "
            "the node returns"
        )
    ]
