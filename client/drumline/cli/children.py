"""The coordinator, worker and gateway processes of `drumline up`: started, heard, started again when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from drumline.cli.reload import Changed
from drumline_protocol.log_lines import said

#: before the first, the second, ... restart of a process that keeps dying; the last one again and again
RESTART_DELAYS_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
#: a process that was ready for so long has recovered: its next restart is its first
RECOVERED_S = 30.0


@dataclass(slots=True)
class Said:
    """A child wrote a line."""

    child: Child
    line: str


@dataclass(slots=True)
class Ended:
    """A child process has ended."""

    child: Child
    process: subprocess.Popen[str]


@dataclass(slots=True)
class Stop:
    """Somebody wants everything to end."""


Event = Said | Ended | Stop | Changed


@dataclass
class Child:
    """One role, through all its processes. `kind` is `coordinator`, `worker` or `gateway`; `name` stays."""

    kind: str
    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    events: SimpleQueue[Event]
    process: subprocess.Popen[str] | None = None
    ready: bool = False
    #: what `ready` said of it
    told: str = ""
    ready_at: float = 0.0
    deaths: int = 0
    #: when it is to be started again; None: it runs
    due: float | None = None
    #: lines from before it was ready
    held: list[str] = field(default_factory=list)

    def start(self) -> int:
        """Start its process; its pid. Lines and the end arrive as events."""
        self.ready, self.due, self.held = False, None, []
        command = [sys.executable, "-m", "drumline.cli.main", self.kind, *self.words, "--name", self.name]
        # A session of its own: Ctrl-C reaches `up` alone, which then stops its children in good order.
        process = subprocess.Popen(
            command,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.process = process
        for target in (self._listen, self._await):
            threading.Thread(target=target, args=(process,), daemon=True).start()
        return process.pid

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.events.put(Said(self, line.rstrip("\n")))

    def _await(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        self.events.put(Ended(self, process))

    def hear(self, line: str) -> bool:
        """Take in a line; True if it is the one that says the process is ready."""
        opening = f"{self.kind} {self.name} ready: "
        text = said(line)
        if self.ready or not text.startswith(opening):
            return False
        self.ready, self.told, self.ready_at = True, text[len(opening) :], time.monotonic()
        return True

    def died(self) -> float:
        """Its process has ended: set when the next one is due, and return the seconds until then."""
        now = time.monotonic()
        if self.ready and now - self.ready_at >= RECOVERED_S:
            self.deaths = 0
        delay = RESTART_DELAYS_S[min(self.deaths, len(RESTART_DELAYS_S) - 1)]
        self.deaths += 1
        self.due = now + delay
        return delay

    def send(self, number: int) -> None:
        """Signal the process, if there is one."""
        if self.process is not None:
            self.process.send_signal(number)


def how_it_ended(code: int) -> str:
    """A process's return code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def child_environment(url: str) -> dict[str, str]:
    """The environment of a child: the broker's URL stands there, not in `argv`, which everybody can read."""
    environment = {**os.environ, "DRUMLINE_BROKER": url}
    environment.pop("DRUMLINE_NAME", None)
    environment.pop("DRUMLINE_APP", None)
    environment.pop("DRUMLINE_METRICS_PORT", None)  # one of them would have it
    return environment
