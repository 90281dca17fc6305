"""What `drumline up --log-format json` prints on: one JSON object a line, those of its processes among them."""

from __future__ import annotations

import logging
from typing import Any

from drumline_protocol.log_lines import JsonFormatter


class JsonConsole:
    """Stands where a `rich.console.Console` does, for `print`."""

    def __init__(self) -> None:
        self._formatter = JsonFormatter()

    def print(self, text: object, **_style: Any) -> None:
        """One record, by `drumline up` itself. How a terminal would show it does not matter."""
        record = logging.LogRecord("drumline.up", logging.INFO, "", 0, str(text), None, None)
        print(self._formatter.format(record), flush=True)

    def pass_on(self, line: str, process: str) -> None:
        """A line of a process of ours: as it is if it is an object, else as a record of that process."""
        if line.startswith("{"):
            print(line, flush=True)
        elif line:
            record = logging.LogRecord(f"drumline.up.{process}", logging.INFO, "", 0, line, None, None)
            print(self._formatter.format(record), flush=True)
