"""How a command of `drumline` ends: its exit code, and the line on stderr that says why."""

from __future__ import annotations

import sys

#: done, failed, wrong use, ended by Ctrl-C, by SIGTERM, by a reader that went away
OK, FAILED, USAGE, INTERRUPTED, TERMINATED, PIPE_CLOSED = 0, 1, 2, 130, 143, 141


def say(text: str) -> None:
    """A line on stderr for people. A process that serves has a log instead: `drumline_transport.log_setup.say`."""
    print(text, file=sys.stderr, flush=True)
