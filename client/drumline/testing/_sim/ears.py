"""What the services say while they are simulated."""

from __future__ import annotations

import logging
import warnings
from typing import Any


class Ears(logging.Handler):
    """Hears what the services log as errors, and keeps the rest of their talk, and warnings, from the terminal."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []
        self._log = logging.getLogger("drumline")
        self._warnings: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))

    def __enter__(self) -> Ears:
        self._log.addHandler(self)
        self._propagate, self._log.propagate = self._log.propagate, False
        self._level = self._log.level
        self._log.setLevel(logging.ERROR)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        return self

    def __exit__(self, *exc: object) -> None:
        self._warnings.__exit__(*exc)
        self._log.setLevel(self._level)
        self._log.propagate = self._propagate
        self._log.removeHandler(self)
