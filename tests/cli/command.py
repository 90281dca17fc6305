"""The command `drumline` as a process: run to its end, or started and heard line by line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from drumline.cli.reaper import Watched

ROOT = Path(__file__).parents[2]
SERVED = f"{ROOT}/tests/cli/served.py:GRAPHS"
WAIT_S = 40.0
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in its background lets them ignore Ctrl-C, and they would hand that down to every
    # command: it would never hear the signal that `Started.end` sends. A handler is not handed down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
_COMMAND = [sys.executable, "-m", "drumline.cli.main"]


def environment(**more: str) -> dict[str, str]:
    """Ours, but for what would lead the command to another cluster."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DRUMLINE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def drumline(
    *words: str, cwd: Path, env: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*_COMMAND, *words],
        cwd=cwd,
        env=env or environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


class Started:
    """A command that goes on: `await_line` waits for what it says, stdout and stderr together."""

    def __init__(self, *words: str, cwd: Path, env: dict[str, str] | None = None) -> None:
        self.cwd = cwd
        self.lines: list[str] = []
        self._fresh: SimpleQueue[str | None] = SimpleQueue()
        self.process = subprocess.Popen(
            [*_COMMAND, *words],
            cwd=cwd,
            env=env or environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._fresh.put(line)
        self._fresh.put(None)

    def await_line(self, pattern: str) -> re.Match[str]:
        """The next line that matches."""
        while True:
            try:
                line = self._fresh.get(timeout=WAIT_S)
            except Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line like {pattern!r}; it said:\n{self.text}")
            self.lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def end(self, number: int = signal.SIGINT) -> int:
        """Signal it, and its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, when it has ended and all its lines are read."""
        code = self.process.wait(WAIT_S)
        while (line := self._fresh.get(timeout=WAIT_S)) is not None:
            self.lines.append(line)
        return code

    def close(self) -> None:
        """End it in any case; it ends its children."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def ps(cwd: Path) -> dict[str, Any]:
    """What `drumline ps --json` says."""
    done = drumline("ps", "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def children_of(pid: int) -> list[int]:
    """Process ids of the children of `pid`."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def all_gone(watched: Sequence[Watched]) -> bool:
    """Whether all these processes end, soon."""
    try:
        return all(process.gone(WAIT_S) for process in watched)
    finally:
        for process in watched:
            process.close()
