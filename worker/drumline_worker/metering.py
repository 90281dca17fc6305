"""What is counted of a worker's tasks, if somebody counts. Nothing here knows a metrics library."""

from __future__ import annotations

from typing import Protocol

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

    def ended(self, execution: Execution, outcome: str) -> None:
        """A task has its answer. It may have failed before it began."""
        ...
