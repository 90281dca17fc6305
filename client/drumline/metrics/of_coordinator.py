"""What a coordinator counts: runs, takeovers, commits (`drumline_coordinator.metering.Counts`)."""

from __future__ import annotations

from collections.abc import Iterable

from drumline.metrics.book import Book
from drumline_coordinator.metering import Told


class CoordinatorCounts:
    """Counts into a `Book` what commits tell."""

    def __init__(self, graphs: Iterable[str]) -> None:
        self.book = book = Book("coordinator", graphs)
        self._waits = book.of("drumline_inbox_wait_seconds")
        self._bytes = book.of("drumline_log_bytes_total")

    def committed(self, told: Told, waited_s: float | None) -> None:
        """A commit was applied. It was sent `waited_s` after its oldest entry had come in; None: it answers none."""
        of = self.book.of
        if waited_s is not None:
            self._waits.observe(waited_s)
        self._bytes.inc(told.log_bytes)
        for name, graphs in (
            ("drumline_runs_started_total", told.started),
            ("drumline_interrupts_total", told.asked),
            ("drumline_tasks_parked_total", told.parked),
            ("drumline_attempts_retracted_total", told.retracted),
        ):
            for graph in graphs:
                of(name, graph).inc()
        for _ in told.died:
            of("drumline_takeovers_total", "task").inc()
        for graph, status, took_s in told.ended:
            of("drumline_runs_ended_total", graph, status).inc()
            if took_s is not None:
                of("drumline_run_duration_seconds", graph).observe(max(0.0, took_s))

    def taken_over(self) -> None:
        """A partition that somebody had worked on is this process's now."""
        self.book.of("drumline_takeovers_total", "partition").inc()
