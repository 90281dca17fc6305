"""Graphs that the code of a task on a worker calls: what they add to the run's thread, and are told of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Task
from drumline_coordinator.thread_run import ThreadRun
from drumline_protocol.checkpoints import Checkpoint, joined_ns
from drumline_protocol.errors import DecodeError
from drumline_protocol.graph_paths import thread_ns
from drumline_protocol.thread_rows import save_in


def keep_called(machine: Machine, task: Task, rows: Sequence[bytes]) -> None:
    """The thread keeps what came with the answer of a task. DecodeError for what is none of its own graphs."""
    if not rows or machine.thread is None or machine.codec is None:
        return
    ns, called_one, travels = _ns_of(task), machine.thread.called_one, machine.thread.travels
    one, saves = thread_ns(ns), []
    for data in rows:
        save = save_in(machine.codec, data)
        if is_below(save.ns, one):
            if isinstance(save, Checkpoint) and not travels:
                called_one[save.ns] = []
            called_one.setdefault(save.ns, []).append(data)
        elif not is_below(save.ns, ns):
            raise DecodeError(f"task {task.id} speaks for the graph at {save.ns!r}", len(data))
        saves.append(save)
        if isinstance(save, Checkpoint):
            machine.thread.last = max(machine.thread.last, save.id)
    machine.save(*saves)
    if machine.thread.within:  # on no thread: they go to the task that waits for the run
        machine.thread.called[task.id] = [*machine.thread.called.get(task.id, ()), *rows]
        machine.thread.changes += 1


def rows_for(thread: ThreadRun, task: Task) -> list[bytes]:
    """What a task is told of the graphs that its code may call: those it has called, and those with one history."""
    rows = thread.called.get(task.id, [])
    if thread.called_one:
        one = thread_ns(_ns_of(task))
        rows = [*rows, *(row for ns, found in thread.called_one.items() if is_below(ns, one) for row in found)]
    return rows


def is_below(ns: str, place: str) -> bool:
    """Whether the graph at `ns` is the one at `place`, or within that."""
    return ns == place or ns.startswith(f"{place}|")


def _ns_of(task: Task) -> str:
    return joined_ns((*task.around, f"{task.name}:{task.id}"))
