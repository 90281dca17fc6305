"""Lines and readers on connections that a test plays: what they drop, what they try again, what they never show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from drumline_transport.connection import Lost, pack
from drumline_transport.errors import ServerError
from drumline_transport.line import Line
from drumline_transport.redis_client import RedisLogReader, _Pool

LIMIT_S = 5.0


class Played:
    """A connection that answers what the test says. Like a real one it is busy until its reply was taken."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.busy = False
        self.closed = False

    def send(self, _data: bytes) -> None:
        self.busy = True

    def receive(self, _timeout_s: float) -> Any:
        if not self.replies:
            raise Lost("nothing more is played")
        self.busy = False
        return self.replies.pop(0)

    def fileno(self) -> int:
        return -1 if self.closed else 1


class Dialer:
    """Gives the connections that are played, in order."""

    url = "redis://played"
    patience_s = LIMIT_S
    server_id = ""
    moves = False

    def __init__(self, *connections: Played) -> None:
        self.waiting = list(connections)
        self.closed = threading.Event()

    def dial(self, _role: str, _timeout_s: float | None = None) -> Played:
        return self.waiting.pop(0)

    def is_behind(self, _connection: Played) -> bool:
        return False

    def astray(self) -> None:
        """Nothing to look for: the test has given all there are."""

    def hang_up(self, connection: Played) -> None:
        connection.closed = True


def entry(number: int) -> list[Any]:
    return [f"1-{number}".encode(), [b"f", str(number).encode(), b"d", b"facts"]]


@pytest.mark.parametrize("code", ["READONLY", "MASTERDOWN"])
def test_a_server_that_is_the_wrong_one_is_left_for_another(code: str) -> None:
    """Behind one address another server may stand, once that one takes no writes."""
    wrong, right = Played(*[ServerError(f"{code} not here")] * 100), Played(1)
    dialer: Any = Dialer(wrong, right)
    assert Line(dialer, "send").call("PING") == 1
    assert wrong.closed and not right.closed


@pytest.mark.parametrize("code", ["OOM", "LOADING", "BUSY"])
def test_a_server_that_is_busy_is_asked_again(code: str) -> None:
    connection = Played(ServerError(f"{code} later"), ServerError(f"{code} later"), 1)
    dialer: Any = Dialer(connection)
    assert Line(dialer, "send").call("PING") == 1
    assert not connection.closed


def test_a_refusal_that_does_not_pass_is_told_at_once() -> None:
    dialer: Any = Dialer(Played(ServerError("WRONGTYPE another"), 1))
    with pytest.raises(ServerError, match="WRONGTYPE"):
        Line(dialer, "send").call("PING")


def test_streams_of_somebody_else_are_never_shown() -> None:
    others, mine = [[b"other", [entry(1)]]], [[b"mine", [entry(2)]]]
    first, second = Played(others), Played(mine)
    dialer: Any = Dialer(first, second)
    assert Line(dialer, "inbox").read_streams(pack("XREAD"), (b"mine",), 0) == mine
    assert first.closed


@pytest.mark.parametrize(
    "reply", [[[b"log:other", [entry(1)]]], 7, b"PONG", [entry(1)], [[b"log:mine", [entry(1)]], [b"log:other", []]]]
)
def test_a_reader_never_takes_the_reply_of_another(reply: Any) -> None:
    first, second = Played(reply), Played([[b"log:mine", [entry(2)]]])
    dialer: Any = Dialer(first, second)
    reader = RedisLogReader(_Pool(dialer), "log:mine")
    assert [found.first for found in reader.read("0-0", 10, 0)] == [2]
    assert first.closed and not second.closed


@pytest.mark.parametrize("prepare", [lambda played: played.send(b""), lambda _played: None], ids=["busy", "idle"])
def test_a_connection_with_a_reply_on_its_way_never_goes_back_to_the_pool(prepare: Callable[[Played], None]) -> None:
    connection = Played()
    dialer: Any = Dialer(connection)
    pool = _Pool(dialer)
    played: Any = pool.open()
    prepare(played)
    pool.give_back(played)
    busy = connection.busy
    assert connection.closed is busy
    assert (pool.idle() is None) is busy
