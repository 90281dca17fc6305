"""Reading any number of run logs as if they were one, on as many connections for two thousand as for one.

A read that waits names every log, and the id behind which it reads it. For all logs each time that would cost as much
as they are many, while only some are lively. So there are two reads for each server: one is left standing for the logs
that are quiet, and one names those that are lively or new. What has become quiet goes into the former when that is
asked anew. Each entry of a quiet log ends that read, so it is asked some times in a second at most. A log that is
followed while both reads wait calls the second one off (`CLIENT UNBLOCK`, on a third connection). Where that is not
allowed, the second one waits shortly.

On a Redis Cluster a command may touch one slot only, so there each partition is a server by itself.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

from drumline_protocol.errors import NoBroker
from drumline_transport.after_fork import renew_after_fork
from drumline_transport.connection import REPLY_TIMEOUT_S, Argument, Lost, Reply, pack
from drumline_transport.dialer import Dialer
from drumline_transport.entries import START_POSITION, LogEntry
from drumline_transport.errors import ServerError
from drumline_transport.line import check_streams
from drumline_transport.rows import log_entries
from drumline_transport.watches import Watch, check_reached

#: A log of which nothing was read for this long is quiet: longer than it lies between the entries of most that speak.
QUIET_AFTER_S = 10.0
#: A log that is followed from now on is quiet after this, if nothing is read of it.
NEW_FOR_S = 1.0
#: What lies at least between two times at which the quiet logs are named. Each costs some 2 us a log, here and there.
QUIET_AGAIN_S = 0.05
#: Fewer quiet logs than this are named with the lively ones: that costs less than two reads.
SPLIT_MIN = 8
#: How long the server lets a read wait. Then it is asked again.
STANDING_MS = 5000
#: How long a read waits that cannot be called off: what a log that is followed meanwhile waits for its first entry.
UNRECALLED_MS = 50
#: A read that was called off before it had begun is called off again after this.
_RECALL_AGAIN_S = 0.005

#: A partition and a run.
LogName = tuple[int, str]
#: New entries of each log that has some.
Found = list[tuple[int, str, list[LogEntry]]]


@dataclass(slots=True, eq=False)
class _Log:
    name: LogName
    key: bytes
    after: str
    #: when something was read of it, by `time.monotonic`; of a new one, so that it is quiet after `NEW_FOR_S`
    heard: float
    #: the read that names it with this `after`
    read: Watch | None = None


@dataclass(slots=True, eq=False)
class _Server:
    """The reads on one server, and the logs that lie on it."""

    lively: Watch
    quiet: Watch
    recall: Watch
    logs: dict[bytes, _Log] = field(default_factory=dict)
    #: logs that no read names; their order is that in which they became so
    unread: dict[bytes, _Log] = field(default_factory=dict)
    #: the lively read may be called off
    recallable: bool = True
    #: no word to call it off before that
    recall_at: float = 0.0
    #: the lively read does not wait
    looks: bool = False
    #: the quiet logs are not named before that
    quiet_at: float = 0.0

    def is_resting(self, now: float) -> bool:
        """Whether no read names the quiet logs, because one did a moment ago."""
        return self.quiet.asks is None and now < self.quiet_at

    def to_name(self, now: float) -> list[_Log]:
        """What the lively read is to name. Quiet logs wait for the other one, if that may be asked in a moment."""
        unread = list(self.unread.values())
        if not self.is_resting(now):
            return unread
        latest = now - QUIET_AFTER_S
        lively = [log for log in unread if log.heard > latest]
        return lively if len(unread) - len(lively) >= SPLIT_MIN else unread

    @property
    def away(self) -> bool:
        """Whether logs cannot be read for now."""
        return bool(self.unread) and self.lively.asks is None and self.lively.cause is not None

    def has_to_look(self, looked: Collection[_Server]) -> bool:
        """Whether there is something to look at, for who has looked at the servers `looked`."""
        return bool(self.unread) and not self.away and self not in looked


class RedisLogsReader:
    """`LogsReader` on Redis.

    `place_of` says on which server a partition lies, `dialer_of` leads there, `key_of` names the log of a run.
    """

    def __init__(
        self, place_of: Callable[[int], int], dialer_of: Callable[[int], Dialer], key_of: Callable[[int, str], str]
    ) -> None:
        self._place_of, self._dialer_of, self._key_of = place_of, dialer_of, key_of
        self._servers: dict[int, _Server] = {}
        #: what other threads asked for since the last look: where a log is to be read on; None: not at all
        self._asked: dict[LogName, str | None] = {}
        self._lock = threading.Lock()
        self._closed = self._reading = False
        #: a pipe that wakes who reads
        self._ears: tuple[int, int] | None = None
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Nobody in this process holds the lock. The pipe is the parent's, and so are the connections."""
        self._lock = threading.Lock()
        self._reading = False
        ears, self._ears = self._ears, None
        for ear in ears or ():
            os.close(ear)
        for server in self._servers.values():
            server.unread, server.looks = dict(server.logs), False

    # -- from any thread ----------------------------------------------------------------------------

    def follow(self, p: int, run_id: str, after: str) -> None:
        self._ask((p, run_id), START_POSITION if after == "-" else after)

    def leave(self, p: int, run_id: str) -> None:
        self._ask((p, run_id), None)

    def _ask(self, name: LogName, after: str | None) -> None:
        with self._lock:
            self._asked[name] = after
            if len(self._asked) == 1:
                self._wake()

    def _wake(self) -> None:
        if self._ears is not None:
            with suppress(BlockingIOError):  # whoever reads has a lot of such words to hear
                os.write(self._ears[1], b"x")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._reading:
                self._wake()
            else:
                self._hang_up()

    # -- the reading thread -------------------------------------------------------------------------

    def read(self, count: int, block_ms: int) -> Found:
        with self._lock:
            if self._closed:
                return []
            self._reading = True
        try:
            return self._read(count, block_ms)
        finally:
            with self._lock:
                self._reading = False
                if self._closed:
                    self._hang_up()

    def _read(self, count: int, block_ms: int) -> Found:
        deadline, look_ends = time.monotonic() + block_ms / 1000, time.monotonic() + REPLY_TIMEOUT_S
        found: Found = []
        looked: set[_Server] = set()
        while not self._closed:
            self._take_in()
            servers = list(self._servers.values())
            for server in servers:
                if server not in looked:
                    self._arm(server, count, waits=block_ms > 0)
                if server.looks:
                    looked.add(server)
            looks = block_ms <= 0 and any(server.looks or server.has_to_look(looked) for server in servers)
            self._wait(servers, look_ends if looks else deadline, waits=block_ms > 0)
            for server in servers:
                self._hear(server, found)
            looks = looks and any(server.looks or server.has_to_look(looked) for server in servers)
            if found or time.monotonic() >= (look_ends if looks else deadline):
                break
        if not found:
            self._check_reached()
        return found

    def _check_reached(self) -> None:
        """Raise `NoBroker`, or `BrokerRefuses`, if none of the logs can be read."""
        servers = [server for server in self._servers.values() if server.logs]
        if servers and all(server.away for server in servers):
            check_reached([server.lively for server in servers])

    def _take_in(self) -> None:
        """What other threads asked for."""
        with self._lock:
            if self._ears is None:
                self._ears = os.pipe()
                for ear in self._ears:
                    os.set_blocking(ear, False)
            asked, self._asked = self._asked, {}
        now = time.monotonic()
        for name, after in asked.items():
            server, key = self._server(self._place_of(name[0])), self._key_of(*name).encode()
            if after is not None:
                server.logs[key] = server.unread[key] = _Log(name, key, after, now - QUIET_AFTER_S + NEW_FOR_S)
            else:
                server.logs.pop(key, None)
                server.unread.pop(key, None)

    def _server(self, place: int) -> _Server:
        server = self._servers.get(place)
        if server is None:
            dialer = self._dialer_of(place)
            lively, quiet, recall = (Watch(dialer, "logs", recalled=number == 0) for number in range(3))
            server = self._servers[place] = _Server(lively, quiet, recall)
        return server

    def _arm(self, server: _Server, count: int, *, waits: bool) -> None:
        """Ask what is not asked. Raises `NoBroker` when we are not let in."""
        now = time.monotonic()
        if server.quiet.asks is None and waits and len(server.logs) >= SPLIT_MIN and now >= server.quiet_at:
            latest = now - QUIET_AFTER_S
            quiet = [log for log in server.logs.values() if log.heard <= latest]
            if len(quiet) >= SPLIT_MIN and self._name(server, server.quiet, quiet, count, STANDING_MS):
                server.quiet_at = now + QUIET_AGAIN_S
        wanted = server.to_name(now) if waits else list(server.unread.values())
        if not wanted:
            return
        number = server.lively.client_id if server.recallable else None
        if server.lively.asks is None:
            block_ms = 0 if not waits else UNRECALLED_MS if number is None else STANDING_MS
            self._name(server, server.lively, wanted, count, block_ms)
            server.looks = block_ms == 0 and server.lively.asks is not None
        elif number is not None and server.recall.asks is None and now >= server.recall_at:
            server.recall.ask("recall", [pack("CLIENT", "UNBLOCK", number)])
            server.recall_at = now + _RECALL_AGAIN_S

    @staticmethod
    def _name(server: _Server, watch: Watch, logs: list[_Log], count: int, block_ms: int) -> bool:
        """Ask for these logs. False: there is no connection for now."""
        wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        names, ids = [log.key for log in logs], [log.after for log in logs]
        wanted = dict(zip(names, ids, strict=True))
        if not watch.ask(wanted, [pack("XREAD", "COUNT", count, *wait, "STREAMS", *names, *ids)], block_ms):
            return False
        for log in logs:
            log.read = watch
            server.unread.pop(log.key, None)
        return True

    def _wait(self, servers: list[_Server], until: float, *, waits: bool) -> None:
        """Until something can be read, or asked anew, or another thread asks for something, or `until`."""
        poller, now = select.poll(), time.monotonic()
        ear = -1 if self._ears is None else self._ears[0]
        poller.register(ear, select.POLLIN)
        for server in servers:
            for watch in (server.lively, server.quiet, server.recall):
                if watch.asks is not None and watch.connection is not None:
                    poller.register(watch.connection.fileno(), select.POLLIN)
            if waits and server.unread and server.is_resting(now):
                until = min(until, server.quiet_at)
                if not server.to_name(now):
                    continue
            if server.unread and server.lively.asks is None:
                until = min(until, max(server.lively.not_before, now + 0.001))
            elif server.unread and server.recallable and server.recall.asks is None:
                until = min(until, max(server.recall_at, server.recall.not_before, now + 0.001))
        if any(number == ear for number, _ in poller.poll(max(0.0, until - now) * 1000)):
            os.read(ear, 4096)

    def _hear(self, server: _Server, found: Found) -> None:
        """Take in what has come."""
        self._hear_recall(server)
        now = time.monotonic()
        for watch in (server.lively, server.quiet):
            wanted = watch.asks
            if not isinstance(wanted, dict):
                continue
            try:
                replies = watch.hear()
            finally:
                if watch.asks is None:
                    self._let_go(server, watch, wanted)
            for log, rows in self._checked(server, watch, wanted, replies[0]) if replies else ():
                if wanted[log.key] == log.after:  # or it was followed anew, or another read has brought this
                    entries = log_entries(rows)
                    log.after, log.heard = entries[-1].id, now
                    server.unread[log.key] = log
                    found.append((*log.name, entries))

    @staticmethod
    def _let_go(server: _Server, watch: Watch, wanted: dict[bytes, str]) -> None:
        """That read is over: nothing reads what it named."""
        if watch is server.lively:
            server.looks = False
        for key in wanted:
            log = server.logs.get(key)
            if log is not None and log.read is watch:
                log.read = None
                server.unread[key] = log

    def _checked(
        self, server: _Server, watch: Watch, wanted: dict[bytes, str], reply: Reply
    ) -> list[tuple[_Log, Reply]]:
        """The logs that a reply speaks of, each with its rows."""
        if isinstance(reply, ServerError):
            self._set_aside(server, watch, wanted, reply)
            return []
        try:
            check_streams(reply, wanted)
        except Lost as lost:
            watch.lose(lost)
            return []
        return [(server.logs[key], rows) for key, rows in reply or () if key in server.logs]

    @staticmethod
    def _set_aside(server: _Server, watch: Watch, wanted: dict[bytes, str], refusal: ServerError) -> None:
        """Follow no more what lies under keys of another type: one such key would end the reads of all others.

        Raises the refusal if it has another cause.
        """
        if refusal.code != "WRONGTYPE" or watch.connection is None:
            raise refusal
        looks = [pack("XREAD", "COUNT", 1, "STREAMS", key, START_POSITION) for key in wanted]
        try:
            replies = watch.connection.calls(looks)
        except Lost as lost:
            watch.lose(lost)
            return
        for key, answer in zip(wanted, replies, strict=True):
            if isinstance(answer, ServerError):
                server.logs.pop(key, None)
                server.unread.pop(key, None)

    @staticmethod
    def _hear_recall(server: _Server) -> None:
        try:
            replies = server.recall.hear()
        except NoBroker:  # we may not say that word
            replies = None
            server.recallable = False
        if replies and isinstance(replies[0], ServerError):
            server.recallable = False

    def _hang_up(self) -> None:
        for server in self._servers.values():
            for watch in (server.lively, server.quiet, server.recall):
                watch.lose(Lost("this reader was closed"))
        self._servers.clear()
        ears, self._ears = self._ears, None
        for ear in ears or ():
            os.close(ear)
