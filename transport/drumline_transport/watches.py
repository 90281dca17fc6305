"""Blocking reads of several slots at once. A command may touch one slot only, so each slot has a connection on which a
read waits; whoever reads waits for the first of them.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Collection, Sequence

from drumline_protocol.errors import NoBroker
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.backoff import Pause
from drumline_transport.connection import (
    ELSEWHERE,
    NOTHING,
    PASSING,
    REPLY_TIMEOUT_S,
    UNWELCOME,
    Argument,
    Connection,
    Lost,
    Reply,
    pack,
)
from drumline_transport.dialer import Dialer
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.line import check_streams

#: How long the server lets a read wait that is left standing. Whoever asked looks for its reply in between.
STANDING_MS = 5000
#: How long each step of connecting may take: meanwhile nobody reads the other slots.
CONNECT_TIMEOUT_S = 0.5


class Watch:
    """A connection to the server of one slot, with at most one command on its way. For one thread at a time."""

    def __init__(self, dialer: Dialer, role: str, *, recalled: bool = False) -> None:
        self.dialer = dialer
        self._role = role
        self.connection: Connection | None = None
        #: whether reads are called off, and then the number by which the server knows the connection
        self._recalled = recalled
        self.client_id: int | None = None
        #: what the command on its way asks for; None: there is none
        self.asks: object = None
        self._replies: list[Reply] = []
        self._expected = 0
        self._due = 0.0
        self._pause = Pause()
        #: no new connection before that; and why
        self.not_before = 0.0
        self.cause: Lost | ServerError | None = None
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The connection is the parent's."""
        self.connection, self.asks = None, None

    def ask(self, what: object, commands: Sequence[bytes], block_ms: int = 0) -> bool:
        """Send commands, unless the same is on its way. False: there is no connection for now.

        Raises `NoBroker` when we are not let in.
        """
        if self.asks is not None:
            if self.asks == what:
                return True
            self._hang_up()
        if self.connection is not None and self.dialer.is_behind(self.connection):
            self._hang_up()
        try:
            if self.connection is None:
                if time.monotonic() < self.not_before:
                    return False
                self.connection = self.dialer.dial(self._role, CONNECT_TIMEOUT_S)
                if self._recalled:
                    (number,) = self.connection.calls([pack("CLIENT", "ID")])
                    self.client_id = number if isinstance(number, int) else None
            self.connection.send(b"".join(commands))
        except Lost as lost:
            self.lose(lost)
            return False
        self.asks, self._replies, self._expected = what, [], len(commands)
        self._due = time.monotonic() + block_ms / 1000 + REPLY_TIMEOUT_S
        return True

    def hear(self) -> list[Reply] | None:
        """The replies, if all are there; error replies are among them, but for those that pass."""
        if self.asks is None or self.connection is None:
            return None
        try:
            while len(self._replies) < self._expected:
                reply = self.connection.poll()
                if reply is NOTHING:
                    if time.monotonic() > self._due:
                        raise Lost("no answer to a read")
                    return None
                self._replies.append(reply)
        except Lost as lost:
            self.lose(lost)
            return None
        self.asks = None
        for reply in self._replies:
            if isinstance(reply, ServerError):
                if reply.code in UNWELCOME:
                    raise NoBroker(self.dialer.url, reply.text)
                if reply.code in PASSING:
                    if reply.code in ELSEWHERE:
                        self.dialer.astray()
                    self.lose(reply)
                    return None
        self.cause = None
        self._pause.reset()
        return self._replies

    def is_overdue(self, now: float) -> bool:
        """Whether the server should have answered by now (of `time.monotonic`)."""
        return self.asks is not None and now > self._due

    def lose(self, cause: Lost | ServerError) -> None:
        """The connection is of no use, or the server refuses for now."""
        self._hang_up()
        self.cause = cause
        self.not_before = time.monotonic() + self._pause.seconds()

    def _hang_up(self) -> None:
        self.asks = None
        if self.connection is not None:
            self.dialer.hang_up(self.connection)
            self.connection = None


def wait_for_any(watches: Collection[Watch], until: float) -> list[Watch]:
    """Those with something to read; waits for the first, or until a lost one may be opened anew, or until `until`."""
    poller, now = select.poll(), time.monotonic()
    by_number: dict[int, Watch] = {}
    for watch in watches:
        if watch.asks is not None and watch.connection is not None:
            number = watch.connection.fileno()
            if number < 0:
                watch.lose(Lost("this broker object was closed"))
                continue
            by_number[number] = watch
            poller.register(number, select.POLLIN)
        else:
            until = min(until, max(watch.not_before, now + 0.001))
    return [by_number[number] for number, _ in poller.poll(max(0.0, until - now) * 1000)]


def check_reached(watches: Collection[Watch]) -> None:
    """Raise `NoBroker`, or `BrokerRefuses`, if none of these slots can be read."""
    causes = [watch.cause for watch in watches]
    cause = causes[0] if causes else None
    if cause is not None and all(causes):
        raise (BrokerRefuses if isinstance(cause, ServerError) else NoBroker)(watches_url(watches), str(cause))


def watches_url(watches: Collection[Watch]) -> str:
    """The address that all of them share."""
    return next(iter(watches)).dialer.url


#: Streams of one slot and the ids behind which they are read, by a number for the slot.
Wanted = dict[int, tuple[list[str], list[str]]]


class SlotReader:
    """`XREAD` of streams of many slots, as if it were one read. It takes nothing, so reads are left standing."""

    def __init__(self, role: str, dialer: Callable[[int], Dialer]) -> None:
        self._role = role
        self._dialer = dialer
        self._watches: dict[int, Watch] = {}

    def read(self, wanted: Wanted, count: int, block_ms: int) -> list[tuple[int, Reply]]:
        """`[(slot's number, [[stream, rows], ...]), ...]` of the streams and the ids `wanted` by such a number.

        Waits up to `block_ms` (0: not at all) for the first. A slot that is away is passed over; `NoBroker` when all
        are. Raises a `ServerError` of one of them.
        """
        watches = {number: self._watch(number) for number in wanted}
        found = self._wait(wanted, watches, count, block_ms) if block_ms > 0 else self._look(wanted, watches, count)
        if not found:
            check_reached(list(watches.values()))
        return found

    def _wait(self, wanted: Wanted, watches: dict[int, Watch], count: int, block_ms: int) -> list[tuple[int, Reply]]:
        deadline = time.monotonic() + block_ms / 1000
        numbers = {id(watch): number for number, watch in watches.items()}
        while True:
            for number, (names, ids) in wanted.items():
                if watches[number].asks != ids:
                    watches[number].ask(ids, [_xread(names, ids, count, STANDING_MS)], STANDING_MS)
            ready = wait_for_any(watches.values(), deadline)
            found = [entry for watch in ready for entry in self._heard(numbers[id(watch)], watch, wanted)]
            if found or time.monotonic() >= deadline or any(watch.dialer.closed.is_set() for watch in watches.values()):
                return found

    def _look(self, wanted: Wanted, watches: dict[int, Watch], count: int) -> list[tuple[int, Reply]]:
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        pending, found = {}, []
        for number, (names, ids) in wanted.items():
            watch = watches[number]
            if watch.asks == ids:  # a read that stands has what came; it need not be waited for
                found += self._heard(number, watch, wanted)
            elif watch.ask(ids, [_xread(names, ids, count, 0)]):
                pending[number] = watch
        while pending and time.monotonic() < deadline:
            wait_for_any(pending.values(), deadline)
            for number, watch in list(pending.items()):
                found += self._heard(number, watch, wanted)
                if watch.asks is None:
                    del pending[number]
        return found

    def _watch(self, number: int) -> Watch:
        watch = self._watches.get(number)
        if watch is None:
            watch = self._watches[number] = Watch(self._dialer(number), self._role)
        return watch

    @staticmethod
    def _heard(number: int, watch: Watch, wanted: Wanted) -> list[tuple[int, Reply]]:
        """What a slot answered, if it did and there is something in it."""
        replies = watch.hear()
        if not replies or replies[0] is None:
            return []
        if isinstance(replies[0], ServerError):
            raise replies[0]
        try:
            check_streams(replies[0], {name.encode() for name in wanted[number][0]})
        except Lost as lost:
            watch.lose(lost)
            return []
        return [(number, replies[0])]


def _xread(names: list[str], ids: list[str], count: int, block_ms: int) -> bytes:
    wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
    return pack("XREAD", "COUNT", count, *wait, "STREAMS", *names, *ids)
