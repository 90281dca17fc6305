"""Ids of tasks and questions as LangGraph makes them: what a thread that LangGraph has written, or will read, names."""

from __future__ import annotations

from collections.abc import Iterable

from xxhash import xxh3_128_hexdigest

from drumline_graph.constants import PULL, PUSH
from drumline_protocol.checkpoint_ids import interrupt_id
from drumline_protocol.facts import PlannedTask

#: answers that are looked through for the number of a question
_QUESTIONS_MAX = 64


def their_task_id(checkpoint: str, ns: str, step: int, task: PlannedTask) -> str:
    """LangGraph's id of a task of superstep `step` behind a checkpoint; `ns` is the graph's namespace in its words."""
    try:
        seed = bytes.fromhex(checkpoint.replace("-", ""))
    except ValueError:
        return task.id
    place = f"{ns}|{task.name}" if ns else task.name
    kind = (PUSH, str(task.path[1])) if task.path[0] == PUSH else (PULL, *sorted(task.triggers))
    text = "".join((place, str(step), task.name, *kind))
    digits = xxh3_128_hexdigest(seed + text.encode())
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def their_interrupt_id(ns: str, number: int) -> str:
    """LangGraph's id of the question that the task at `ns` asks after `number` answers."""
    return xxh3_128_hexdigest((f"{ns}|{number}" if number else ns).encode())


class Names:
    """Which names of a thread mean the same: drumline's and LangGraph's, of tasks, namespaces and questions."""

    def __init__(self) -> None:
        self._theirs: dict[str, str] = {}
        self._ours: dict[str, str] = {}

    def pair(self, ours: str, theirs: str) -> None:
        """These two mean the same."""
        self._theirs[ours] = theirs
        self._ours[theirs] = ours

    def pair_tasks(self, checkpoint: str, ns: str, step: int, tasks: Iterable[PlannedTask]) -> None:
        """Learn the tasks of a superstep. `ns` is drumline's name of the graph's namespace."""
        for task in tasks:
            self.pair(task.id, their_task_id(checkpoint, self.their_ns(ns), step, task))

    def knows(self, name: str) -> bool:
        """Whether another name of this one is known, or it is the same in both."""
        return name in self._theirs or name in self._ours

    def theirs(self, name: str) -> str:
        """LangGraph's name of a task or a question; the same where none is known."""
        return self._theirs.get(name, name)

    def ours(self, name: str) -> str:
        """Drumline's name of it."""
        return self._ours.get(name, name)

    def their_ns(self, ns: str) -> str:
        """LangGraph's name of a namespace."""
        return _renamed(ns, self._theirs)

    def our_ns(self, ns: str) -> str:
        """Drumline's name of it."""
        return _renamed(ns, self._ours)

    def our_question(self, ns: str, id_: str) -> str:
        """Drumline's id of a question of the task at `ns`, or of one that a graph within it asks."""
        return self._ours.get(id_) or self._paired(ns, id_, is_ours=False)

    def their_question(self, ns: str, id_: str) -> str:
        """LangGraph's id of it."""
        return self._theirs.get(id_) or self._paired(ns, id_, is_ours=True)

    def _paired(self, ns: str, id_: str, *, is_ours: bool) -> str:
        their_ns = self.their_ns(ns)
        for number in range(_QUESTIONS_MAX):
            ours, theirs = interrupt_id(ns, number), their_interrupt_id(their_ns, number)
            if id_ == (ours if is_ours else theirs):
                self.pair(ours, theirs)
                return theirs if is_ours else ours
        return id_


def _renamed(ns: str, names: dict[str, str]) -> str:
    parts = []
    for part in ns.split("|") if ns else ():
        name, colon, task = part.rpartition(":")
        parts.append(f"{name}{colon}{names.get(task, task)}" if colon else part)
    return "|".join(parts)
