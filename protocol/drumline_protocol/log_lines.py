"""What a line of the log of a process of the cluster is: text for people, or one JSON object. Pure."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Any

#: for every process of a service, its renewer among them
VARIABLE = "DRUMLINE_LOG_FORMAT"
TEXT, JSON = LOG_FORMATS = ("text", "json")
TEXT_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"

#: what every record has; anything beside came in by `extra=`
_OF_RECORDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON in ASCII: `time`, `level`, `logger`, `message`, what `extra=` gave, `exception`.

    Never raises for what a record holds: a value that JSON cannot hold is shown by its repr.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        found: dict[str, Any] = {
            "time": _iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        found.update((name, value) for name, value in vars(record).items() if name not in _OF_RECORDS)
        if record.exc_info and record.exc_info[0] is not None:
            found["exception"] = self.formatException(record.exc_info)
        return as_line(found)


def as_line(found: dict[str, Any]) -> str:
    """An object as one line of JSON."""
    try:
        return json.dumps(found, allow_nan=False, default=_shown)
    except Exception:  # NaN, a loop, a key that is no text
        return json.dumps({str(name): value if type(value) is str else _shown(value) for name, value in found.items()})


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def said(line: str) -> str:
    """What a process has told in a line of its log, in either form."""
    if line.startswith("{"):
        try:
            return str(json.loads(line)["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return line
    return line
