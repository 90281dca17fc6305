"""Where a process of the cluster writes its log: to stderr, in the form that its environment names."""

from __future__ import annotations

import logging
import os
import sys

from drumline_protocol.log_lines import JSON, TEXT, TEXT_LINE, VARIABLE, JsonFormatter


def set_up(level: int | str, form: str) -> None:
    """Send all logs of this process to stderr, as `text` or `json`. With `json`, Python's warnings become records."""
    logging.basicConfig(level=level, stream=sys.stderr, format=TEXT_LINE)
    os.environ[VARIABLE] = form
    if form == JSON:
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())
        logging.captureWarnings(True)


def set_up_as_parent(level: int) -> None:
    """As `set_up`, in the form that the process above has chosen."""
    set_up(level, os.environ.get(VARIABLE, TEXT))


def say(text: str, logger: str = "drumline") -> None:
    """Tell on stderr what no level of the log hides: that a process is ready, or why it ends."""
    if os.environ.get(VARIABLE) == JSON:
        record = logging.LogRecord(logger, logging.INFO, "", 0, text, None, None)
        text = JsonFormatter().format(record)
    print(text, file=sys.stderr, flush=True)
