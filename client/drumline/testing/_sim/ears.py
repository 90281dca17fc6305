"""What the services say while they are simulated."""

from __future__ import annotations

import logging
from collections.abc import Callable


class Ears(logging.Handler):
    """Hears what the services log as errors, and keeps the rest of their talk from the terminal."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._hear = hear
        self._log = logging.getLogger("drumline")

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        self._hear(self.format(record))

    def __enter__(self) -> Ears:
        self._log.addHandler(self)
        self._propagate, self._log.propagate = self._log.propagate, False
        self._level = self._log.level
        self._log.setLevel(logging.ERROR)
        return self

    def __exit__(self, *exc: object) -> None:
        self._log.setLevel(self._level)
        self._log.propagate = self._propagate
        self._log.removeHandler(self)
