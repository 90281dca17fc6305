"""The renewer: a small process that keeps a busy one's leases. Run as a program by `RenewerProcess`.

A node or reducer can hold Python's interpreter for seconds, in a regular expression or in C code. No thread of that
process runs then, its keeper neither, although it is well. So each worker and coordinator process has a renewer. It
hears from the keeper in every round, through a pipe. When it hears nothing for half a lease, and its parent lives and
is not stopped, it renews what the parent holds, on a connection of its own, until it hears the keeper again.

It ends as soon as its parent has ended, however that happened, and gives nothing back: a drained parent has done that.
A parent that is stopped (SIGSTOP) is as good as dead to everybody else: for that one it renews nothing.

The first line of its stdin is a `Charge`, each further one a `Word`, as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drumline_protocol.errors import ClusterError
from drumline_protocol.limits import BUSY_MS_MAX
from drumline_transport.backoff import Pause
from drumline_transport.broker import CoordinatorVerbs, Kind, WorkerVerbs
from drumline_transport.log_setup import set_up_as_parent
from drumline_transport.redis_broker import broker_at

log = logging.getLogger("drumline.renewer")

_READ_BYTES = 64 * 1024
#: looks at the parent's silence within one lease
_LOOKS = 8
#: ignored: a process that is told to end drains, and needs its leases meanwhile
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
#: states in /proc of a process that is stopped, traced, or dead
_AWAY = frozenset("TtZXx")


@dataclass(slots=True)
class Charge:
    """The process that a renewer speaks for. `owner` is the worker's name, or the nonce of the coordinator's leases."""

    parent: int
    kind: Kind
    name: str
    owner: str
    url: str
    prefix: str
    partitions: int
    lease_ms: int
    pools: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Word:
    """What a keeper says in each round: its heartbeat, and the partitions that a coordinator holds."""

    info: str
    held: list[int] = field(default_factory=list)


class Standby:
    """Decides when to renew, and does it. `look` is its step; the clock comes from outside."""

    def __init__(
        self,
        charge: Charge,
        workers: WorkerVerbs,
        coordinators: CoordinatorVerbs,
        is_up: Callable[[], bool],
        now_ms: float,
    ) -> None:
        self._charge = charge
        self._workers = workers
        self._coordinators = coordinators
        self._is_up = is_up
        self._word: Word | None = None
        self._heard_ms = self._renewed_ms = now_ms

    def hear(self, word: Word | None, now_ms: float) -> None:
        """The parent's keeper has spoken, so it has renewed by itself. None: it could not be understood."""
        if word is not None:
            self._word = word
        self._heard_ms = now_ms

    def look(self, now_ms: float) -> bool:
        """Renew for the parent if it is busy, once in a quarter of a lease. Returns whether it did.

        Raises what the broker raises.
        """
        charge, word = self._charge, self._word
        silent_ms = now_ms - self._heard_ms
        if word is None or not charge.lease_ms / 2 < silent_ms <= BUSY_MS_MAX:
            return False
        if now_ms - self._renewed_ms < charge.lease_ms / 4 or not self._is_up():
            return False
        self._renewed_ms = now_ms
        if charge.kind == "workers":
            self._workers.renew_all(charge.owner, charge.pools)
        elif word.held:
            self._coordinators.renew_leases(charge.owner, word.held, charge.lease_ms)
        self._workers.beat(charge.kind, charge.name, word.info.encode())
        return True


def is_up(pid: int) -> bool:
    """Whether a process lives and is not stopped. False also where the platform does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat.rpartition(b")")[2].split()[0].decode() not in _AWAY
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return False
    try:
        asked = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, timeout=1)
    except (OSError, subprocess.SubprocessError):
        return False
    state = asked.stdout.strip()[:1]
    return bool(state) and state not in _AWAY


def main(stdin: int = 0) -> None:
    """Serve the parent at the other end of `stdin`."""
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    set_up_as_parent(logging.WARNING)
    with open(stdin, "rb", buffering=0, closefd=False) as pipe:  # unbuffered: the rest stays in the pipe
        first = pipe.readline()
    if not first:
        return
    charge = Charge(**json.loads(first))
    lines = _Lines(stdin)
    turn_s = charge.lease_ms / 1000 / _LOOKS
    broker = broker_at(charge.url, charge.prefix, charge.partitions, f"{charge.name}:renewer", turn_s)
    standby = Standby(charge, broker, broker, lambda: is_up(charge.parent), _now_ms())
    # On a thread: a broker that does not answer must not keep this process alive.
    threading.Thread(target=_renew, args=(standby, turn_s), daemon=True).start()
    while os.getppid() == charge.parent:
        line = lines.wait(turn_s)
        if line is None:
            break
        if line:
            standby.hear(_word_of(line), _now_ms())
    os._exit(0)


def _word_of(line: bytes) -> Word | None:
    try:
        return Word(**json.loads(line))
    except (ValueError, TypeError):  # the pipe was full, and took a part
        return None


def _renew(standby: Standby, turn_s: float) -> None:
    pause = Pause()
    try:
        while True:
            time.sleep(turn_s)  # nothing to wait for: silence is what it acts on
            try:
                standby.look(_now_ms())
            except ClusterError as error:
                pause.warn(log, f"a busy process may lose its leases: {error}")
    except BaseException:
        log.exception("the renewer ends, and a new one is started")
        os._exit(1)


class _Lines:
    """Lines from a pipe, read without a buffer that would hide what is there."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._rest = b""

    def wait(self, timeout_s: float) -> bytes | None:
        """The newest whole line; b"" if none came in time; None when the writer is gone."""
        if not select.select([self._source], [], [], timeout_s)[0]:
            return b""
        while True:
            data = os.read(self._source, _READ_BYTES)
            if not data:
                return None
            whole, newline, rest = (self._rest + data).rpartition(b"\n")
            if newline:
                self._rest = rest
                return whole.rpartition(b"\n")[2]
            self._rest += data


def _now_ms() -> float:
    return time.monotonic() * 1000


def as_line(thing: Any) -> bytes:
    """A `Charge` or a `Word` as it crosses the pipe."""
    return json.dumps({name: getattr(thing, name) for name in thing.__slots__}).encode() + b"\n"


if __name__ == "__main__":
    main()
