"""The renewer: when it speaks for its parent, and that it never outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from drumline_protocol.limits import BUSY_MS_MAX
from drumline_transport.memory import MemoryBroker, MemoryServer
from drumline_transport.renewer import Charge, Standby, Word, _Lines, as_line, is_up
from drumline_transport.renewer_process import RenewerProcess

LEASE_MS = 1200
LIMIT_S = 20


class Bed:
    """A worker of the double that took two tasks, and its renewer."""

    def __init__(self, kind: Any = "workers", owner: str = "w") -> None:
        self.server = MemoryServer(2)
        self.broker = MemoryBroker(self.server)
        self.up = True
        charge = Charge(1, kind, "w", owner, "redis://nowhere", "p", 2, LEASE_MS, ["default"])
        self.standby = Standby(charge, self.broker, self.broker, lambda: self.up, 0.0)
        stream = self.server.pool("default").stream
        for _ in range(2):
            stream.append(stream.next_id(self.server.now_ms), b"task")
        self.broker.take(["default"], "w", 2, 0)
        self.began = self.server.now_ms

    def look(self, at_ms: int) -> bool:
        self.server.now_ms = self.began + at_ms
        return self.standby.look(at_ms)

    def stale(self) -> int:
        return len(self.broker.stale_tasks("default", LEASE_MS, "-", 10)[0])


def test_it_is_silent_while_its_parent_speaks() -> None:
    bed = Bed()
    for at_ms in range(0, 10 * LEASE_MS, LEASE_MS // 4):
        bed.standby.hear(Word("{}"), at_ms)
        assert not bed.look(at_ms)
        assert not bed.look(at_ms + LEASE_MS // 4)
    assert bed.broker.members("workers") == {}


def test_it_keeps_all_that_a_busy_worker_owns() -> None:
    bed = Bed()
    bed.standby.hear(Word('{"running": 2}'), 0)
    times = [at_ms for at_ms in range(0, 10 * LEASE_MS, LEASE_MS // 8) if bed.look(at_ms) or bed.stale()]
    assert bed.stale() == 0
    assert LEASE_MS / 2 < times[0] < LEASE_MS
    assert {b - a for a, b in pairwise(times)} == {LEASE_MS // 4}, "each quarter of a lease"
    assert bed.broker.members("workers") == {"w": (b'{"running": 2}', 0)}


def test_it_does_nothing_for_a_parent_that_is_stopped_or_stuck_or_never_spoke() -> None:
    bed = Bed()
    assert not bed.look(5000)
    bed.standby.hear(Word("{}"), 0)
    bed.up = False
    assert not bed.look(5000)
    bed.up = True
    assert bed.look(5000)
    assert not bed.look(BUSY_MS_MAX + 1)
    bed.standby.hear(None, BUSY_MS_MAX + 2)  # a word that could not be understood is a sign of life
    assert not bed.look(BUSY_MS_MAX + 3)
    assert bed.look(BUSY_MS_MAX + 3 + LEASE_MS)


def test_it_keeps_the_leases_of_a_busy_coordinator_and_takes_none_back() -> None:
    bed = Bed("coordinators", "w#1")
    assert bed.broker.acquire(0, "w#1", LEASE_MS) and bed.broker.acquire(1, "w#1", LEASE_MS)
    bed.standby.hear(Word("{}", [0, 1]), 0)
    assert bed.look(900)
    bed.server.now_ms += LEASE_MS - 100
    assert bed.broker.acquire(0, "other", LEASE_MS) is None
    bed.broker.release(1, "w#1")
    assert bed.broker.acquire(1, "other", LEASE_MS)
    assert bed.look(900 + LEASE_MS)
    assert [row["owner"] for row in bed.broker.lease_owners()] == ["w#1", "other"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_process_that_is_stopped_or_dead_is_not_up(sleeper: subprocess.Popen[bytes]) -> None:
    assert is_up(sleeper.pid) and is_up(os.getpid())
    sleeper.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
    assert not is_up(sleeper.pid)
    sleeper.send_signal(signal.SIGCONT)
    os.waitid(os.P_PID, sleeper.pid, os.WCONTINUED | os.WNOWAIT)
    assert is_up(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_up(sleeper.pid), "a zombie"


def test_lines_come_whole_and_the_newest_counts() -> None:
    reader, writer = os.pipe()
    lines = _Lines(reader)
    assert lines.wait(0) == b""
    os.write(writer, as_line(Word("one")) + as_line(Word("two", [3])) + b'{"in')
    assert lines.wait(0) == b'{"info": "two", "held": [3]}'
    os.write(writer, b'fo": "x"}\n')
    assert lines.wait(0) == b'{"info": "x"}'
    os.close(writer)
    assert lines.wait(0) is None
    os.close(reader)


def charge_of(parent: int) -> Charge:
    return Charge(parent, "workers", "w", "w", "redis://127.0.0.1:1", "p", 1, LEASE_MS, ["default"])


def test_it_ends_with_its_pipe_and_ignores_what_is_meant_for_its_group() -> None:
    renewer = RenewerProcess(charge_of(os.getpid()))
    process = renewer._process
    assert process is not None
    wanted = 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGINT - 1) | 1 << (signal.SIGHUP - 1)

    def ignored() -> int:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("SigIgn:")[2].split()[0], 16)

    deadline = time.monotonic() + LIMIT_S
    while ignored() & wanted != wanted:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)  # it lies in another process: no event tells of it
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    renewer.tell(b"{}")
    assert process.poll() is None
    renewer.close()
    assert process.returncode == 0
    renewer.tell(b"{}")
    assert renewer.pid is None, "closed for good"


def test_it_ends_at_once_if_its_parent_is_another() -> None:
    renewer = RenewerProcess(charge_of(1))
    assert renewer._process is not None
    assert renewer._process.wait(LIMIT_S) == 0
    renewer.close()


def test_one_that_died_is_started_anew_but_not_at_once() -> None:
    renewer = RenewerProcess(charge_of(os.getpid()))
    first = renewer._process
    assert first is not None
    first.kill()
    first.wait()
    renewer._not_before = float("inf")
    renewer.tell(b"{}")
    assert renewer.pid == first.pid
    renewer._not_before = 0
    renewer.tell(b"{}")
    assert renewer.pid not in (None, first.pid)
    renewer.close()
