"""A small process that outlives a killed `drumline up` for a moment, and ends what that one has left behind.

`up` tells it process ids through its stdin: `+12` to watch, `-12` to forget. When stdin ends, `up` has ended, however
that happened (SIGKILL, too): what is still watched gets SIGTERM, and SIGKILL some seconds later. Run as a script, on
the standard library alone, so that it starts at once and needs little memory.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

#: between SIGTERM and SIGKILL
GRACE_S = 3.0
#: between two looks at processes that the platform gives no event for
_LOOK_AGAIN_S = 0.1


class Reaper:
    """Ends the children of this process that outlive it."""

    def __init__(self) -> None:
        # a session of its own: Ctrl-C and a closed terminal are for `up` alone
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def watch(self, pid: int) -> None:
        """End this process should we die."""
        self._tell(f"+{pid}\n")

    def forget(self, pid: int) -> None:
        """The process has ended."""
        self._tell(f"-{pid}\n")

    def _tell(self, text: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody killed the reaper: then there is none
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def close(self) -> None:
        """Nothing is left to watch."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


class Watched:
    """One process, not our child. With a pidfd a later process of the same id is never taken for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd = -1
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self.fd = os.pidfd_open(pid)

    def send(self, number: int) -> None:
        with contextlib.suppress(OSError):
            if self.fd >= 0:
                signal.pidfd_send_signal(self.fd, number)
            else:
                os.kill(self.pid, number)

    def gone(self, wait_s: float) -> bool:
        if self.fd >= 0:
            return bool(select.select([self.fd], [], [], wait_s)[0])
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            try:
                os.kill(self.pid, 0)
            except OSError:
                return True
            time.sleep(_LOOK_AGAIN_S)  # no event tells of the end of a process that is not a child
        return False

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def guard() -> None:
    """Read ids until stdin ends, then end what is left."""
    watched: dict[int, Watched] = {}
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            watched[pid] = Watched(pid)
        elif pid in watched:
            watched.pop(pid).close()
    for process in watched.values():
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    for process in watched.values():
        if not process.gone(max(0.0, deadline - time.monotonic())):
            process.send(signal.SIGKILL)


if __name__ == "__main__":
    guard()
