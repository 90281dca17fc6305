"""Graphs that the code of a task on a worker has called: what they add to the run's thread. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Task
from drumline_protocol.checkpoints import joined_ns
from drumline_protocol.errors import DecodeError
from drumline_protocol.history import save_in


def keep_called(machine: Machine, task: Task, rows: Sequence[bytes]) -> None:
    """The thread keeps what came with the answer of a task. DecodeError for what is none of its own graphs."""
    if machine.thread is None or machine.codec is None:
        return
    ns = joined_ns((*task.scope.ns, f"{task.name}:{task.id}"))
    for data in rows:
        save = save_in(machine.codec, data)
        if save.ns != ns and not save.ns.startswith(f"{ns}|"):
            raise DecodeError(f"task {task.id} speaks for the graph at {save.ns!r}", len(data))
        machine.fx.saves.append(save)
