"""What `make chaos` is made of: a wrong stream is found, a right one is not, faults are what they are called."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.chaos import report
from tests.chaos.expected import expected, wrong, wrong_beginning
from tests.chaos.graphs import INPUTS, LINEAR
from tests.chaos.plan import KINDS, kills_only, plan
from tests.chaos.proxy import Proxies
from tests.chaos.rounds import Round
from tests.chaos.runs import HABITS, Driver, Run, runs_of

from drumline.errors import LogGap, NoBroker, NoCoordinator, RunCancelled, UnknownRun

ROLES = ["c0", "c1", "w0", "w1"]


def items_of(graph: str, variant: int = 1) -> list[tuple[object, ...]]:
    recorded, _ = expected(graph, variant)
    return [(item.ns, item.mode, item.payload) for item in recorded.items]


# -- streams ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("graph", INPUTS)
def test_a_right_stream_is_right_and_any_other_is_not(graph: str) -> None:
    items = items_of(graph)
    assert wrong(graph, 1, items) is None
    at = len(items) // 2
    assert wrong(graph, 1, [*items[:at], *items[at + 1 :]]), "one is missing"
    assert wrong(graph, 1, [*items[:at], items[at], *items[at:]]), "one comes twice"
    assert wrong(graph, 1, items[:-1]), "the last one is missing"
    first = next(at for at, item in enumerate(items) if item[1] == "values")
    assert wrong(graph, 1, [*items[:first], ((), "values", {"other": 1}), *items[first + 1 :]]), "another payload"
    assert wrong(graph, 2, items), "the stream of another run"


@pytest.mark.parametrize("graph", LINEAR)
def test_a_cancelled_run_shows_a_beginning(graph: str) -> None:
    items = items_of(graph)
    for end in (0, 1, len(items) // 2, len(items)):
        assert wrong_beginning(graph, 1, items[:end]) is None
    assert wrong_beginning(graph, 1, [*items[:5], *items[6:]])


def test_an_attempt_of_a_called_graph_that_broke_off_may_be_followed_by_another() -> None:
    """The next one must be whole and right."""
    items = items_of("calls")
    inside = [at for at, item in enumerate(items) if item[0]]
    broken_at, first = inside[len(inside) // 2], inside[0]
    again = [*items[:broken_at], *items[first:]]
    assert wrong("calls", 1, again) is None
    assert wrong("calls", 1, [*items[:broken_at], *items[first + 1 :]]), "the next attempt lacks its start"
    assert wrong("calls", 1, again[:-1])
    assert wrong("loop", 1, [*items_of("loop")[:8], *items_of("loop")[1:]]), "only where a node calls a graph"


# -- readers ----------------------------------------------------------------------------------------


def judged(error: BaseException, habit: str = "reads", *, losses_allowed: bool = False) -> str:
    run = Run("x", "tokens", 1, habit, 5)
    Driver([], 1, losses_allowed=losses_allowed).judge(run, error)
    return run.outcome


def test_what_an_error_means_for_a_run() -> None:
    assert judged(NoBroker("redis://x", "gone")) == ""
    assert judged(NoCoordinator(10)) == "not accepted"
    assert judged(LogGap("x", 5, 3)) == "lost"
    assert judged(LogGap("x", 5, 3), losses_allowed=True) == "", "it is read again from its beginning"
    assert judged(UnknownRun("x"), losses_allowed=True) == "lost and told"
    assert judged(RunCancelled("x", "because"), "cancels") == "cancelled"
    assert judged(RunCancelled("x", "because")) == "failed"
    assert judged(ValueError("of the node")) == "failed"


def test_runs_are_those_of_the_seed() -> None:
    def first(seed: int, name: str) -> list[Run]:
        source = runs_of(seed, name)
        return [next(source) for _ in range(200)]

    assert first(1, "a") == first(1, "a")
    assert first(1, "a") != first(2, "a") and first(1, "a") != first(1, "b")
    assert {run.graph for run in first(1, "a")} == set(INPUTS)
    assert {run.habit for run in first(1, "a")} == set(HABITS)


# -- faults -----------------------------------------------------------------------------------------


def test_a_plan_is_that_of_the_seed_and_has_every_kind() -> None:
    faults = plan(7, 60, ROLES, ["w0", "client"])
    assert faults == plan(7, 60, ROLES, ["w0", "client"]) != plan(8, 60, ROLES, ["w0", "client"])
    assert len(faults) == 59 and [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert {fault.kind for fault in faults[:10]} == set(KINDS)
    for fault in faults:
        if fault.kind.endswith(("worker", "coordinator")):
            assert fault.victim.startswith(fault.kind.split()[1][0])
        if fault.kind.startswith("proxy"):
            assert fault.victim in ("w0", "client")


def test_kills_for_takeovers_stand_apart() -> None:
    faults = kills_only(30, ROLES)
    assert {fault.victim for fault in faults} == set(ROLES)
    assert all(later.at_s - fault.at_s == 4 for fault, later in pairwise(faults))
    assert faults[-1].at_s < 30


class Echo:
    """Says back what it hears."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        try:
            while chunk := connection.recv(4096):
                connection.sendall(chunk)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    echo = Echo()
    made = Proxies(echo.port, ["a", "b"])
    yield made
    made.close()
    echo.close()


def connected(proxies: Proxies, name: str) -> socket.socket:
    port = int(proxies.urls[name].rpartition(":")[2].partition("/")[0])
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    assert said(sock, b"hello") == b"hello"
    return sock


def said(sock: socket.socket, data: bytes) -> bytes:
    sock.sendall(data)
    return sock.recv(4096)


def heard_until_reset(sock: socket.socket) -> bytes:
    heard = b""
    while True:
        try:
            chunk = sock.recv(4096)
        except ConnectionError:
            return heard
        assert chunk, "an end in good order: nobody would notice that something is missing"
        heard += chunk


def obeyed(proxies: Proxies, *words: object) -> None:
    """Tell a proxy something, and wait until it has heard it: orders are obeyed one after another."""
    proxies.tell(*words)
    time.sleep(0.2)  # an order has no answer


def test_a_proxy_delays(proxies: Proxies) -> None:
    sock = connected(proxies, "a")
    obeyed(proxies, "a", "delay", 0.3)
    began = time.monotonic()
    assert said(sock, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.6, "there and back"
    assert said(connected(proxies, "b"), b"quick") == b"quick"
    sock.close()


def test_a_proxy_cuts_in_the_middle(proxies: Proxies) -> None:
    sock = connected(proxies, "a")
    obeyed(proxies, "a", "cut")
    sock.sendall(b"x" * 1000)
    assert len(heard_until_reset(sock)) < 1000
    connected(proxies, "a").close()


def test_a_silent_proxy_tells_nobody(proxies: Proxies) -> None:
    sock = connected(proxies, "a")
    obeyed(proxies, "a", "silent")
    sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        said(sock, b"anybody?")
    proxies.tell("a", "clear")
    sock.settimeout(10)
    assert heard_until_reset(sock) == b"", "what was lost does not come later"
    connected(proxies, "a").close()


# -- the report -------------------------------------------------------------------------------------


def a_round(name: str, took_s: list[float]) -> Round:
    return Round(name, "valkey9", 10, Path("logs"), took_s=took_s)


def test_good_runs_that_notice_are_told_of() -> None:
    quiet, same, slow = a_round("quiet", [1.0] * 100), a_round("hostile", [1.2] * 100), a_round("hostile", [3.0] * 100)
    report.compare_with_quiet([quiet, same])
    assert not same.violations
    report.compare_with_quiet([quiet, slow])
    assert len(slow.violations) == 1 and "p50 is 3.00 s, and 1.00 s in the quiet round" in slow.violations[0]


def test_slow_takeovers_are_told_of() -> None:
    found = a_round("takeover", [])
    found.takeovers.workers, found.takeovers.coordinators = [0.5, 1.9], [0.5, 2.1]
    assert report.takeover_violations(found) == ["takeover of a coordinator: p99 is 2.10 s, 2 s at most"]
    found.name = "chaos"
    assert not report.takeover_violations(found)


def test_the_table_and_what_was_wrong() -> None:
    found = a_round("chaos", [1.0, 2.0])
    found.outcomes.update(right=2, wrong=1)
    assert report.details(found, "make chaos") == ""
    found.violations = ["wrong: run x"] * 30
    text = report.details(found, "make chaos SEED=1")
    assert "and 5 more" in text and "again: make chaos SEED=1" in text and "logs: logs" in text
    rows = dict(
        line.rsplit(None, 1) for line in report.table([found]).splitlines() if "wrong" in line or "runs" in line
    )
    assert rows["runs"] == "3" and rows["  wrong streams"] == "1"
