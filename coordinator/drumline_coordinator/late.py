"""Events that come after the result of their task: they are left out, counted, and told of once. Pure."""

from __future__ import annotations

from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import DONE
from drumline_protocol.facts import Noticed
from drumline_protocol.messages import Events

#: the key of the one notice of a run about late events
LATE = "late"


class LateEvents:
    """How many events of a run came late. They change nothing, so they are no part of its state."""

    __slots__ = ("_heard", "count")

    def __init__(self) -> None:
        self.count = 0
        #: up to which number late events of a task's attempt were counted
        self._heard: dict[tuple[str, int], int] = {}

    def notice(self, state: RunState, event: Events) -> Noticed | None:
        """Count the late events among these. The first ones of a run bring a notice for its caller.

        Events of a retracted attempt, and repeats, are not late: a worker that got no reply says everything twice.
        """
        task = state.tasks.get(event.task)
        if task is not None and task.status is not DONE:
            return None
        attempt, heard = state.heard.get(event.task, (0, 0)) if task is None else (task.attempt, task.n)
        place = event.task, event.attempt
        end, heard = event.n + len(event.items), max(heard, self._heard.get(place, 0))
        if event.attempt != attempt or end <= heard:
            return None
        if len(self._heard) >= _PLACES_MAX:
            self._heard.clear()
        self._heard[place] = end
        self.count += end - heard
        if LATE in state.noticed:
            return None
        of = "a task" if task is None else f"node {task.name!r}"
        return Noticed(
            f"events of {of} came after its result and were left out: what a node starts must end before "
            "the node returns",
            LATE,
        )


#: tasks whose late events are told from their repeats; beyond that a repeat may count twice
_PLACES_MAX = 1000
