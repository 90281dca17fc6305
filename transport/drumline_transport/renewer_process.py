"""A service's side of its renewer: starts the process, tells it in each round, starts it anew when it has died."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from drumline_transport.backoff import Pause
from drumline_transport.renewer import Charge, Word, as_line

log = logging.getLogger("drumline.renewer")

#: Isolated, so that no file of the current folder is taken for a library; then with the very paths of this process.
#: Read byte by byte: the lines behind the first are for the program.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(open(0, 'rb', buffering=0, closefd=False).readline()); "
    "from drumline_transport.renewer import main; main()"
)
#: how long a renewer may take to end when its pipe has
_END_S = 1.0


class RenewerProcess:
    """The renewer of this process. For the keeper's thread alone, but for `close`."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = Pause(first_s=1.0, longest_s=60.0)
        self._not_before = 0.0
        self._closed = False
        self._start()

    @property
    def pid(self) -> int | None:
        """Its process id; None if there is none."""
        return None if self._process is None else self._process.pid

    def tell(self, info: bytes, held: Sequence[int] = ()) -> None:
        """This process lives, and has just renewed. Never waits, never raises: leases are kept without it too."""
        if self._closed:
            return
        if self._process is None or self._process.poll() is not None:
            if time.monotonic() < self._not_before:
                return
            self._pause.warn(log, "the renewer has died, a new one is started")
            self._start()
        self._write(as_line(Word(info.decode(), list(held))))

    def _start(self) -> None:
        self._hang_up()
        self._not_before = time.monotonic() + self._pause.seconds()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
        except OSError as error:  # no memory, too many processes
            self._pause.warn(log, f"no renewer: a node that holds the interpreter may lose its tasks: {error}")
            return
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._write(json.dumps(sys.path).encode() + b"\n" + as_line(self._charge))

    def _write(self, line: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A full pipe: it reads nothing, so it renews nothing; a broken one: it is started anew in the next round.
        with contextlib.suppress(OSError):
            os.write(self._process.stdin.fileno(), line)

    def _hang_up(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._hang_up()
