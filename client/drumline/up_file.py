"""`.drumline/up.json`: how other commands in the same folder find a running `drumline up`.

`up` writes it when its broker answers, holds a lock on it while it runs, and removes it when it ends. A file without
lock was left by a process that was killed: it is ignored.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from drumline_graph.errors import DrumlineError

_PLACE = Path(".drumline", "up.json")


class AlreadyUp(DrumlineError):
    """Another `drumline up` runs in this folder. Stop it first, or start the other one in a folder of its own."""


def read_state(folder: Path | None = None) -> dict[str, Any] | None:
    """What a running `drumline up` in `folder` (default: here) wrote, `{"pid", "broker", "prefix"}`, or None."""
    try:
        with (folder or Path.cwd()).joinpath(_PLACE).open() as file:
            if not _locked(file):
                return None
            state = json.load(file)
            return state if isinstance(state, dict) else None
    except (OSError, ValueError):
        return None


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def state_file(folder: Path | None = None) -> Iterator[StateFile]:
    """The state file of this process, locked: `write` it once, gone at the end. AlreadyUp if another holds it."""
    path = (folder or Path.cwd()) / _PLACE
    path.parent.mkdir(exist_ok=True)
    ignore = path.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    # the broker's URL may hold a password
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = (read_state(folder) or {}).get("pid", "unknown")
            raise AlreadyUp(
                f"`drumline up` runs in this folder already (process {pid}). Stop it with Ctrl-C, or start this one in "
                "a folder of its own."
            ) from None
        file.truncate()
        try:
            yield StateFile(file)
        finally:
            path.unlink(missing_ok=True)
            ignore.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the user keeps something in it
                path.parent.rmdir()


class StateFile:
    """The open state file of this process."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, state: Mapping[str, Any]) -> None:
        """Say where the cluster is. A reader sees all of it or nothing that it can read."""
        self._file.seek(0)
        json.dump(dict(state), self._file)
        self._file.flush()
