"""`.drumline/up.json`: how other commands in the same folder find a running `drumline up`.

`up` locks it when it begins, writes into it where its broker is as soon as that answers, and once more when all of its
processes are ready; it removes it when it ends. A file without lock was left by a process that was killed: it is
ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from drumline_graph.errors import DrumlineError

_PLACE = Path(".drumline", "up.json")
#: how long a reader waits for an `up` whose broker is still starting
WRITTEN_WITHIN_S = 10.0
_LOOK_AGAIN_S = 0.05


class AlreadyUp(DrumlineError):
    """Another `drumline up` runs in this folder. Stop it first, or start the other one in a folder of its own."""


def read_state(folder: Path | None = None, wait_s: float = WRITTEN_WITHIN_S) -> dict[str, Any] | None:
    """What a running `drumline up` in `folder` (default: here) wrote: `{"pid", "broker", "prefix", "ready"}`.

    None if there is no such `up`. One whose broker is still starting is waited for, up to `wait_s`.
    """
    path = (folder or Path.cwd()) / _PLACE
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with path.open() as file:
                if not _locked(file):
                    return None
                text = file.read()
            if text.strip():
                state = json.loads(text)
                return state if isinstance(state, dict) else None
        except (OSError, ValueError):
            return None
        if time.monotonic() >= deadline:
            return None
        time.sleep(_LOOK_AGAIN_S)  # no event tells another process that a file was written


def is_starting(broker: str, prefix: str, folder: Path | None = None) -> bool:
    """Whether the `up` of `folder` serves this broker and prefix, and is not ready yet."""
    state = read_state(folder, 0) or {}
    return (state.get("broker"), state.get("prefix")) == (broker, prefix) and state.get("ready") is False


def _locked(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows, where `up` does not run
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def own_folder(folder: Path | None = None) -> Path:
    """What drumline keeps in `folder` (default: here) lies in a folder of its own, which is made, and which git passes
    over.
    """
    path = (folder or Path.cwd()) / _PLACE.parent
    path.mkdir(exist_ok=True)
    ignore = path / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return path


@contextlib.contextmanager
def state_file(folder: Path | None = None) -> Iterator[StateFile]:
    """The state file of this process, locked: `write` it once, gone at the end. AlreadyUp if another holds it."""
    import fcntl

    path = own_folder(folder) / _PLACE.name
    ignore = path.parent / ".gitignore"
    # the broker's URL may hold a password
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = (read_state(folder, 0) or {}).get("pid", "unknown")
            raise AlreadyUp(
                f"`drumline up` runs in this folder already (process {pid}). Stop it with Ctrl-C, or start this one in "
                "a folder of its own."
            ) from None
        file.truncate()
        try:
            yield StateFile(file)
        finally:
            path.unlink(missing_ok=True)
            if set(path.parent.iterdir()) <= {ignore}:  # else something is kept there
                ignore.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()


class StateFile:
    """The open state file of this process."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._length = 0

    def write(self, state: Mapping[str, Any]) -> None:
        """Say where the cluster is, in place of what was said before. A reader sees the old text or the new one."""
        text = json.dumps(dict(state))
        self._file.seek(0)
        # one write of equal length: blanks behind a JSON value say nothing
        self._file.write(text.ljust(self._length))
        self._file.flush()
        self._length = max(self._length, len(text))
