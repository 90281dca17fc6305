"""What OpenTelemetry is told of the messages that a worker takes."""

from __future__ import annotations

import time

from drumline_transport.instruments import Instruments
from drumline_worker.outbox import Execution


class MessageMeter:
    """A `Meter` that tells of messages."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def begun(self, execution: Execution) -> None:
        """The job of a task is made, and begins now."""
        self._instruments.taken(execution.pool)

    def ended(self, execution: Execution, outcome: str, error: str = "") -> None:  # noqa: ARG002 - of other meters
        """A task has its answer. One that failed before it began was processed by nobody."""
        if execution.begun_s:
            self._instruments.processed(execution.pool, time.monotonic() - execution.begun_s, error)
