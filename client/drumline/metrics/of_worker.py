"""What a worker counts: attempts of tasks (`drumline_worker.metering.Meter`)."""

from __future__ import annotations

import time
from collections.abc import Iterable

from drumline.metrics.book import Book
from drumline_worker.outbox import Execution


class WorkerCounts:
    """Counts into a `Book` what tasks do.

    `redis_ms` is Redis TIME now: how long a task has waited goes by that clock. Both clocks are compared once.
    """

    def __init__(self, graphs: Iterable[str], redis_ms: float) -> None:
        self.book = Book("worker", graphs)
        self._ahead_s = redis_ms / 1000 - time.monotonic()

    def begun(self, execution: Execution) -> None:
        """The job of a task is made, and begins now. The id of its entry says when it was sent."""
        sent_ms = execution.entry.partition("-")[0]
        if sent_ms.isdigit():
            waited_s = time.monotonic() + self._ahead_s - int(sent_ms) / 1000
            self.book.of("drumline_task_wait_seconds", execution.pool).observe(max(0.0, waited_s))

    def ended(self, execution: Execution, outcome: str, error: str = "") -> None:  # noqa: ARG002 - no label
        """A task has its answer. It may have failed before it began."""
        labels = (execution.graph, execution.node, execution.pool, outcome)
        self.book.of("drumline_tasks_total", *labels).inc()
        if execution.begun_s:
            took_s = time.monotonic() - execution.begun_s
            self.book.of("drumline_task_duration_seconds", execution.pool).observe(took_s)
