"""What each line, both readers and the commit queue do with each refusal, and with replies that are not theirs."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.transport.answering import NIL, OK, Answering, array, bulk, error, stream_reply

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_transport.broker import START, Commit, LogEntry, Position
from drumline_transport.connection import Dialer
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.redis_broker import RedisBroker
from drumline_transport.redis_core import KEEPER_TIMEOUT_S

KEYS = Keys("drumline")
LOG = KEYS.log(0, "run").encode()
ENTRY = LogEntry("1-1", 1, b"data")
LOG_REPLY = stream_reply(LOG, (b"1-1", [b"f", b"1", b"d", b"data"]))

#: it passes: the command is sent again, on the same connection
PASSING = ["OOM", "MISCONF", "NOREPLICAS", "LOADING", "BUSY", "CLUSTERDOWN", "TRYAGAIN"]
#: it passes, and another connection may lead to the right server
ELSEWHERE = ["READONLY", "MASTERDOWN"]
#: we are not let in: said at once
UNWELCOME = ["NOAUTH", "WRONGPASS", "NOPERM"]
#: the command can never be
FOR_GOOD = ["WRONGTYPE", "ERR"]


def answers(command: list[bytes]) -> bytes | None:
    """A server on which everything is well."""
    name, words = command[0], command[1:]
    if name == b"TIME":
        return array(bulk(b"1000"), bulk(b"0"))
    if name == b"XREAD":
        key = words[words.index(b"STREAMS") + 1]
        run = [b"r", b"run"] if key == KEYS.requests(0).encode() else []
        return LOG_REPLY if key == LOG else stream_reply(key, (b"1-1", [*run, b"d", b"data"]))
    if name == b"XREADGROUP":
        return stream_reply(words[words.index(b"STREAMS") + 1], (b"1-1", [b"d", b"data"]))
    return b":1\r\n" if name in (b"EVALSHA", b"EXISTS", b"HDEL") else OK if name == b"SET" else NIL


@pytest.fixture
def server() -> Iterator[Answering]:
    started = Answering(answers)
    yield started
    started.close()


@pytest.fixture
def broker(server: Answering) -> Iterator[RedisBroker]:
    made = broker_on(server)
    yield made
    made.close()


def broker_on(server: Answering, patience_s: float = 5.0) -> RedisBroker:
    return RedisBroker(Dialer(server.url, "test", patience_s), KEYS, 2)


def read(broker: RedisBroker) -> Any:
    reader = broker.log_reader(0, "run")
    try:
        return reader.read("-", 10, 0)
    finally:
        reader.close()


def aread(broker: RedisBroker) -> Any:
    async def read_once() -> Any:
        reader = broker.alog_reader(0, "run")
        try:
            return await reader.read("-", 10, 0)
        finally:
            await reader.close()

    return asyncio.run(read_once())


#: one verb of every line, and both readers: `(call, what it returns when all is well)`
CALLS: dict[str, tuple[Callable[[RedisBroker], Any], Any]] = {
    "any": (lambda broker: broker.time_ms(), 1_000_000),
    "any, script": (lambda broker: broker.note_try(0, "me", 1, "1-1"), 1),
    "inbox": (lambda broker: broker.read_inbox({0: START}, 10, 0)[0].data, b"data"),
    "take": (lambda broker: broker.take(["default"], "w", 1, 0)[0].data, b"data"),
    "send": (lambda broker: broker.publish([(0, "run", b"x"), (0, "run", b"y")], []), None),
    "ctl": (lambda broker: broker.read_ctl("0-0", 0), [("1-1", b"data")]),
    "reader": (read, [ENTRY]),
    "async reader": (aread, [ENTRY]),
}
KEEPER: dict[str, tuple[Callable[[RedisBroker], Any], Any]] = {
    "keeper": (lambda broker: broker.renew_leases("me", [0], 1000), [True]),
    "keeper, beat": (lambda broker: broker.beat("workers", "w", b"{}"), None),
}


def table(calls: dict[str, Any], codes: list[str]) -> Any:
    return pytest.mark.parametrize(
        ("call", "result", "code"),
        [pytest.param(*calls[name], code, id=f"{name}-{code}") for name in calls for code in codes],
    )


@table(CALLS, PASSING + ELSEWHERE)
def test_what_passes_is_waited_for(
    server: Answering, broker: RedisBroker, call: Callable[[RedisBroker], Any], result: Any, code: str
) -> None:
    assert call(broker) == result
    opened = server.connections
    server.refusals.extend([error(code)] * 3)
    assert call(broker) == result
    assert not server.refusals
    assert server.connections - opened <= 3
    before = server.connections
    assert call(broker) == result
    assert server.connections == before, "the call behind it needs no new connection"


@table(CALLS, PASSING + ELSEWHERE)
def test_what_does_not_pass_in_time_says_that_the_server_is_there(
    server: Answering, call: Callable[[RedisBroker], Any], result: Any, code: str
) -> None:
    broker = broker_on(server, patience_s=0.03)
    server.refusals.extend([error(code)] * 1000)
    with pytest.raises(BrokerRefuses, match=code):
        call(broker)
    server.refusals.clear()
    assert call(broker) == result
    broker.close()


@table(KEEPER, PASSING + ELSEWHERE)
def test_a_keeper_does_not_wait_for_refusals(
    server: Answering, broker: RedisBroker, call: Callable[[RedisBroker], Any], result: Any, code: str
) -> None:
    server.refusals.append(error(code))
    with pytest.raises(BrokerRefuses, match=code):
        call(broker)
    assert call(broker) == result


@table({**CALLS, **KEEPER}, UNWELCOME)
def test_who_is_not_let_in_hears_it_at_once(
    server: Answering, broker: RedisBroker, call: Callable[[RedisBroker], Any], result: Any, code: str
) -> None:
    server.refusals.append(error(code))
    with pytest.raises(NoBroker, match=code) as caught:
        call(broker)
    assert type(caught.value) is NoBroker
    assert len(server.heard) <= 3
    assert call(broker) == result


@table({**CALLS, **KEEPER}, FOR_GOOD)
def test_a_command_that_can_never_be_is_not_repeated(
    server: Answering, broker: RedisBroker, call: Callable[[RedisBroker], Any], result: Any, code: str
) -> None:
    server.refusals.append(error(code))
    with pytest.raises(ServerError, match=code):
        call(broker)
    assert len(server.heard) == 1
    opened = server.connections
    assert call(broker) == result
    assert server.connections - opened <= 1


# -- commits ----------------------------------------------------------------------------------------


def commit(number: int) -> Commit:
    return Commit(0, "me", 1, number, Position(f"{number}-0", "0-0"))


@dataclass
class Fence:
    """Applies commits as the script does: number n only behind n - 1."""

    last: int = 0

    def __call__(self, command: list[bytes]) -> bytes:
        arguments = command[3 + int(command[2]) :]
        before, number = map(int, arguments[2:4])
        if before != self.last:
            return b":0\r\n" if number <= self.last else bulk(b"commit is missing")
        self.last = number
        return b":1\r\n"


def settled(broker: RedisBroker, count: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    deadline = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        found += [(reply.number, reply.status) for reply in broker.poll_commits(1000)]
    return found


@pytest.mark.parametrize("code", [*PASSING, *ELSEWHERE, *UNWELCOME, "NOSCRIPT"])
def test_commits_wait_for_what_may_pass_and_keep_their_order(server: Answering, broker: RedisBroker, code: str) -> None:
    fence = Fence()
    server.answer = fence
    server.refusals.extend([error(code)] * 2)
    for number in (1, 2, 3):
        broker.send_commit(commit(number))
    assert settled(broker, 3) == [(1, "applied"), (2, "applied"), (3, "applied")]
    assert broker.stalled == "" and broker.outstanding == 0


def test_commits_say_why_they_wait(server: Answering, broker: RedisBroker) -> None:
    server.refusals.extend([error("OOM")] * 1000)
    broker.send_commit(commit(1))
    assert broker.poll_commits(50) == []
    assert "OOM" in broker.stalled and broker.outstanding == 1
    assert len(server.heard) < 20, "it pauses between attempts"
    server.refusals.clear()
    assert settled(broker, 1) == [(1, "applied")]


@pytest.mark.parametrize("code", FOR_GOOD)
def test_a_commit_that_can_never_be_has_diverged(server: Answering, broker: RedisBroker, code: str) -> None:
    server.refusals.append(error(code))
    broker.send_commit(commit(1))
    assert settled(broker, 1) == [(1, "diverged")]


# -- nobody knocks a thousand times a second ------------------------------------------------------------


@pytest.mark.parametrize("login", ["WRONGPASS", "NOAUTH", "NOPERM", "LOADING"])
@pytest.mark.parametrize("name", ["any", "keeper", "take", "send", "inbox", "ctl", "reader", "async reader"])
def test_a_loop_without_pauses_of_its_own_opens_few_connections(server: Answering, login: str, name: str) -> None:
    broker = broker_on(server, patience_s=0.05)
    server.refuse_login = error(login)
    until, calls = time.monotonic() + 0.4, 0
    if login == "NOPERM":  # such a login is let in; each command is refused
        server.refuse_login = None
        server.refusals.extend([error("NOAUTH")] * 100_000)
    while time.monotonic() < until:
        with pytest.raises(NoBroker):
            {**CALLS, **KEEPER}[name][0](broker)
        calls += 1
    assert calls >= 2
    assert server.connections < 30
    broker.close()


def test_commits_knock_seldom_too(server: Answering, broker: RedisBroker) -> None:
    server.refuse_login = error("NOAUTH")
    broker.send_commit(commit(1))
    until = time.monotonic() + 0.4
    while time.monotonic() < until:
        assert broker.poll_commits(1) == []
    assert 2 <= server.connections < 30


# -- half-open connections --------------------------------------------------------------------------


def test_a_keeper_notices_within_a_part_of_a_lease_that_nobody_answers(server: Answering, broker: RedisBroker) -> None:
    assert broker.renew_leases("me", [0], 1000) == [True]
    silent = [server.connections]

    def answer(command: list[bytes]) -> bytes | None:
        return None if server.connections in silent else answers(command)

    server.answer = answer
    began = time.monotonic()
    assert broker.renew_leases("me", [0], 1000) == [True]
    assert time.monotonic() - began < 2 * KEEPER_TIMEOUT_S + 0.5
    assert server.connections == silent[0] + 1


def test_a_keeper_gives_up_connecting_within_a_part_of_a_lease(server: Answering, broker: RedisBroker) -> None:
    """Somebody accepts, and says nothing."""
    server._reply = lambda _command: None  # type: ignore[assignment, method-assign]
    broker._dialer.patience_s = 0.0
    began = time.monotonic()
    with pytest.raises(NoBroker):
        broker.renew_leases("me", [0], 1000)
    assert time.monotonic() - began < 2 * KEEPER_TIMEOUT_S + 0.5


# -- replies that are not ours ----------------------------------------------------------------------

#: a reply that was meant for somebody else: of another key, or of another command
FOREIGN = {
    "another key": stream_reply(b"{drumline:0}:log:other", (b"1-1", [b"f", b"1", b"d", b"secret"])),
    "a number": b":7\r\n",
    "a value": bulk(b"secret"),
    "a list": array(bulk(b"1"), bulk(b"2")),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("name", ["reader", "async reader", "inbox", "take", "ctl"])
def test_a_reply_of_another_key_is_never_taken(
    server: Answering, broker: RedisBroker, name: str, foreign: bytes
) -> None:
    call, result = CALLS[name]
    assert call(broker) == result
    opened = server.connections
    server.refusals.append(foreign)
    assert call(broker) == result
    assert server.connections == opened + 1, "the connection on which it came is given up"


@pytest.mark.parametrize("foreign", [LOG_REPLY, bulk(b"secret"), NIL])
def test_exists_takes_nothing_but_a_number(server: Answering, broker: RedisBroker, foreign: bytes) -> None:
    reader = broker.log_reader(0, "run")
    server.refusals.append(foreign)
    assert reader.exists()
    assert server.connections == 2
    reader.close()


# -- a connection with a reply on its way ----------------------------------------------------------------


class Stop(BaseException):
    """What a signal handler raises in the middle of anything."""


def test_an_async_reader_that_is_cancelled_leaves_no_reply_behind(server: Answering, broker: RedisBroker) -> None:
    asked, late = threading.Event(), threading.Event()

    def answer(command: list[bytes]) -> bytes | None:
        if command[0] == b"XREAD" and b"5-5" in command:
            asked.set()
            late.wait(10)
            return stream_reply(LOG, (b"6-6", [b"f", b"6", b"d", b"late"]))
        return answers(command)

    server.answer = answer

    async def cancel_one() -> None:
        reader = broker.alog_reader(0, "run")
        reading = asyncio.ensure_future(reader.read("5-5", 10, 5000))
        await asyncio.to_thread(asked.wait, 10)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        late.set()
        await reader.close()
        assert await reader.read("-", 10, 0) == [ENTRY]
        await reader.close()

    asyncio.run(cancel_one())
    assert not [connection for connection in broker._readers._idle if connection.busy]
    assert read(broker) == [ENTRY]


@pytest.mark.parametrize("name", ["any", "keeper", "take", "send", "inbox", "ctl", "reader"])
def test_an_exception_in_the_middle_leaves_no_reply_behind(
    server: Answering, broker: RedisBroker, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Ctrl-C between sending a command and reading its reply: the next call gets its own reply."""
    from drumline_transport.connection import Connection

    call, result = {**CALLS, **KEEPER}[name]
    assert call(broker) == result
    receive, struck = Connection.receive, []

    def strike(self: Connection, timeout_s: float) -> Any:
        if not struck:
            struck.append(self)
            raise Stop
        return receive(self, timeout_s)

    monkeypatch.setattr(Connection, "receive", strike)
    server.refusals.append(bulk(b"secret"))  # what the command that was struck gets
    with pytest.raises(Stop):
        call(broker)
    assert struck[0].fileno() < 0, "closed, not kept"
    assert struck[0] not in broker._readers._idle
    gc.collect()
    assert call(broker) == result


@pytest.mark.parametrize("path", ["abc", "0/1", "-1", "0x1"])
def test_a_database_that_is_no_number_is_refused_and_not_taken_for_the_first(path: str) -> None:
    with pytest.raises(NoBroker, match=r"has no database of that number: invalid DB index"):
        Dialer(f"redis://h:1/{path}", "test", 1.0)


@pytest.mark.parametrize(
    "url", ["redis://h:1", "redis://h:1/", "redis://h:1/3", "unix:///tmp/x.sock", "rediss://h:1/0?a=b"]
)
def test_addresses_without_a_fault_are_taken(url: str) -> None:
    assert Dialer(url, "test", 1.0).url == url
