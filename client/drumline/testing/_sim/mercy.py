"""Whom faults may strike: what a run cannot survive by design is left out where runs must survive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.limits import ATTEMPTS_MAX


class Mercy:
    """No mercy: every fault may strike everybody."""

    def strikes_tasks(self, tasks: Iterable[str]) -> bool:
        """Whether a fault may cost these tasks an attempt. If so, it is counted."""
        del tasks
        return True

    def strikes_entries(self, entries: Iterable[bytes]) -> bool:
        """The same for the tasks that these messages are of."""
        del entries
        return True

    def strikes_coordinators(self) -> bool:
        """Whether coordinators and the broker may fail now."""
        return True


class Survivable(Mercy):
    """No task loses so many attempts that it is given up, and nothing hinders that a run is accepted in time.

    A run that loses a worker `ATTEMPTS_MAX` times at one task fails, as it should; one that nobody accepts in time is
    refused. Both say nothing about the user's graph.
    """

    def __init__(self, codec: Codec, all_accepted: Callable[[], bool]) -> None:
        self._codec = codec
        self._all_accepted = all_accepted
        self._struck: Counter[str] = Counter()

    def strikes_tasks(self, tasks: Iterable[str]) -> bool:
        tasks = list(tasks)
        if any(self._struck[task] >= ATTEMPTS_MAX - 2 for task in tasks):
            return False
        self._struck.update(tasks)
        return True

    def strikes_entries(self, entries: Iterable[bytes]) -> bool:
        return self.strikes_tasks([task for data in entries if (task := self._task_of(data))])

    def strikes_coordinators(self) -> bool:
        return self._all_accepted()

    def _task_of(self, data: bytes) -> str:
        try:
            return str(getattr(wire.decode(self._codec, data), "task", ""))
        except Exception:  # junk of a vandal
            return ""
