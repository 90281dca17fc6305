"""What is counted of a worker's tasks, if somebody counts. Nothing here knows a metrics library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from drumline_protocol.messages import TaskBubbled, TaskError, TaskResult
from drumline_worker.outbox import Execution

#: how the attempt of a task ends
OUTCOMES = DONE, CACHED, FAILED, INTERRUPTED, LEFT, CANCELLED = (
    "done",
    "cached",
    "failed",
    "interrupted",
    "left",
    "cancelled",
)


class Meter(Protocol):
    """Where the numbers go (`drumline.metrics.of_worker`). Called by every thread that runs nodes."""

    def begun(self, execution: Execution) -> None:
        """The job of a task is made, and begins now."""
        ...

    def ended(self, execution: Execution, outcome: str, error: str = "") -> None:
        """A task has its answer. It may have failed before it began; `error` is the class of what it failed with."""
        ...


class Meters:
    """Several in the place of one."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = meters

    def begun(self, execution: Execution) -> None:
        """The job of a task is made, and begins now."""
        for meter in self._meters:
            meter.begun(execution)

    def ended(self, execution: Execution, outcome: str, error: str = "") -> None:
        """A task has its answer."""
        for meter in self._meters:
            meter.ended(execution, outcome, error)


def outcome_of(answer: Any) -> str:
    """How the attempt has ended that has this answer: one of `OUTCOMES`."""
    if isinstance(answer, TaskResult):
        return CACHED if answer.cached else DONE
    if isinstance(answer, TaskError):
        return FAILED
    return LEFT if isinstance(answer, TaskBubbled) else INTERRUPTED
