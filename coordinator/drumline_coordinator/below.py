"""What a task is told of its run's thread: its code may call graphs, which have their checkpoints there too. Pure."""

from __future__ import annotations

from drumline_coordinator.called import rows_for
from drumline_coordinator.machine import Machine
from drumline_coordinator.resuming import single_answer
from drumline_coordinator.tasks import Task
from drumline_coordinator.thread_run import ThreadRun
from drumline_protocol.checkpoint_ids import NEXT
from drumline_protocol.checkpoints import joined_ns
from drumline_protocol.messages import TaskThread


def standing(thread: ThreadRun, task: Task) -> dict[str, str]:
    """The checkpoints that the graph of a task and those around it stand at, by namespace.

    The tasks that have called it are places of the graph, too.
    """
    parents, scope = dict(thread.parents), task.scope
    for depth in range(len(scope.ns) + 1, len(task.around) + 1):
        parents[joined_ns(task.around[:depth])] = scope.checkpoint
    around = scope
    while True:
        parents[joined_ns(around.ns)] = around.checkpoint
        if around.parent is None:
            return parents
        around = around.parent.scope


def task_thread(machine: Machine, task: Task) -> TaskThread | None:
    """What the message of a task says of the thread; None for a run that is on none."""
    thread = machine.thread
    if thread is None:
        return None
    scope = task.scope
    parents, single, answers = standing(thread, task), single_answer(thread, task.id), thread.answers
    if NEXT in answers and thread.lent != task.id:
        answers = {id_: answer for id_, answer in answers.items() if id_ != NEXT}
    rows, bound = rows_for(thread, task), ""
    if thread.replay is not None:
        bound = thread.replay.bound_for(joined_ns((*task.around, f"{task.name}:{task.id}")))
    return TaskThread(scope.checkpoint, parents, scope.resumed, answers, rows, thread.addressed, single, bound)
