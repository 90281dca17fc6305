"""The client's verbs on Redis: submit, and readers of run logs, blocking and for event loops. Promises: `ClientVerbs`.

Both readers use the same connections, from one pool: a connection is a plain socket, so it is bound to no event loop
and outlives them. The async reader waits for its socket with the loop's own `add_reader`; a call that is cancelled in
the middle closes its connection.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_transport.after_fork import forks, renew_after_fork
from drumline_transport.backoff import Pause
from drumline_transport.broker import REQUESTS, START_POSITION, LogEntry
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
from drumline_transport.dead import DeadEntry, FailedRun
from drumline_transport.dialer import Dialer
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.line import check_streams
from drumline_transport.logs_reader import RedisLogsReader
from drumline_transport.redis_core import RedisCore
from drumline_transport.rows import dead_entry, failed_run, log_entries

if TYPE_CHECKING:
    import asyncio

#: Raises `Lost` for a reply that was meant for another command.
Check = Callable[[Reply], None]

#: Connections that readers gave back and that are kept for the next.
_IDLE_CONNECTIONS_MAX = 64


class _Pool:
    """Connections for readers. Safe for threads."""

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._pause = Pause()
        #: the latest attempt of some reader failed; no new connection is opened before `_not_before`
        self.troubled = False
        self._not_before = 0.0
        renew_after_fork(self)

    def after_fork(self) -> None:
        """The connections are the parent's, and nobody in this process holds the lock."""
        self._idle = []
        self._lock = threading.Lock()
        self._pause, self.troubled = Pause(), False

    def idle(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def open(self) -> Connection:
        """A new connection. After a failure it waits first, however many readers ask."""
        if self.troubled:
            self.dialer.closed.wait(max(0.0, self._not_before - time.monotonic()))
        try:
            return self.dialer.dial("log")
        except (Lost, NoBroker):
            self.failed()
            raise

    def failed(self) -> None:
        """A connection broke, did not open, or was refused."""
        with self._lock:
            self.troubled = True
            self._not_before = time.monotonic() + self._pause.seconds()

    def went_well(self) -> None:
        """A command had its reply."""
        with self._lock:
            self.troubled = False
            self._pause.reset()

    def give_back(self, connection: Connection) -> None:
        if not connection.busy and not self.dialer.closed.is_set():
            with self._lock:
                if len(self._idle) < _IDLE_CONNECTIONS_MAX:
                    self._idle.append(connection)
                    return
        self.dialer.hang_up(connection)

    def clear(self) -> None:
        with self._lock:
            connections, self._idle = self._idle, []
        for connection in connections:
            self.dialer.hang_up(connection)


class RedisClient(RedisCore):
    """`ClientVerbs` on Redis."""

    def __init__(self, dialer: Dialer, keys: Keys, partitions: int) -> None:
        super().__init__(dialer, keys, partitions)
        self._readers = _Pool(dialer)

    def submit(self, p: int, run_id: str, data: bytes) -> None:
        self._any.call("XADD", self._keys.requests(p), "*", "r", run_id, "d", data)

    def dead(self, p: int, count: int, newest: str = "+") -> list[tuple[str, DeadEntry]]:
        rows = self._any.call("XREVRANGE", self._keys.dead(p), newest, "-", "COUNT", count)
        return [(row_id.decode(), dead_entry(values)) for row_id, values in rows]

    def put_back(self, p: int, entry: DeadEntry) -> None:
        pool = entry.pool_to_return_to()
        if pool is not None:
            self._any.call("XADD", self._keys.tasks(pool), "*", "d", entry.data)
        elif entry.source == REQUESTS:
            self.submit(p, entry.run, entry.data)
        else:
            self.push_inbox(p, entry.run, entry.data)

    def drop_dead(self, p: int, ids: list[str]) -> None:
        if ids:
            self._any.call("XDEL", self._keys.dead(p), *ids)

    def failed(self, p: int, count: int) -> list[FailedRun]:
        rows = self._any.call("XREVRANGE", self._keys.failed(p), "+", "-", "COUNT", count)
        return [failed_run(values) for _, values in rows]

    def log_reader(self, p: int, run_id: str) -> RedisLogReader:
        return RedisLogReader(self._readers, self._keys.log(p, run_id))

    def alog_reader(self, p: int, run_id: str) -> RedisAsyncLogReader:
        return RedisAsyncLogReader(self._readers, self._keys.log(p, run_id))

    def logs_reader(self) -> RedisLogsReader:
        return RedisLogsReader(lambda _p: 0, lambda _place: self._readers.dialer, self._keys.log)


class _Reader:
    """What both readers share: the commands, and when to try again."""

    def __init__(self, pool: _Pool, key: str) -> None:
        self._pool = pool
        self._key = key
        self._name = key.encode()
        self._connection: Connection | None = None
        self._pause: Pause | None = None
        self._deadline = 0.0

    def _read_command(self, after: str, count: int, block_ms: int) -> bytes:
        wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        if after == "-":
            after = START_POSITION
        return pack("XREAD", "COUNT", count, *wait, "STREAMS", self._key, after)

    def _check_entries(self, reply: Reply) -> None:
        """Raise `Lost` for entries of another log: a reader never shows them to the wrong caller."""
        if not isinstance(reply, ServerError):
            check_streams(reply, (self._name,))

    def _drop(self) -> None:
        if self._connection is not None:
            self._pool.dialer.hang_up(self._connection)
            self._connection = None

    def _give_back(self) -> None:
        if self._connection is not None:
            self._pool.give_back(self._connection)
            self._connection = None

    def _usable(self) -> Connection | None:
        """The connection at hand, or one that lies idle. In the child of a fork neither is left."""
        connection = self._connection
        if connection is None or connection.fileno() < 0:
            connection = self._pool.idle()
        if connection is not None and self._pool.dialer.is_behind(connection):
            self._pool.dialer.hang_up(connection)
            self._pool.clear()
            return None
        return connection

    def _judge(self, error: Lost | ServerError) -> float:
        """How long to wait before the next attempt; raises when there shall be none."""
        dialer, now = self._pool.dialer, time.monotonic()
        if self._pause is None:
            self._pause, self._deadline = Pause(), now + dialer.patience_s
        final = now >= self._deadline or dialer.closed.is_set()
        if isinstance(error, ServerError):
            cause = error.text
            if error.code not in PASSING | UNWELCOME:
                raise error
            self._pool.failed()
            if error.code in ELSEWHERE:
                dialer.astray()
            final = final or error.code in UNWELCOME
        else:
            cause = str(error)
            self._pool.clear()  # those that lie idle broke with it
        self._drop()
        if final:
            refused = isinstance(error, ServerError) and error.code in PASSING
            raise (BrokerRefuses if refused else NoBroker)(dialer.url, cause) from None
        return min(self._pause.seconds(), self._deadline - now)


class RedisLogReader(_Reader):
    """`LogReader` on a pooled connection."""

    def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        reply = self._ask(self._read_command(after, count, block_ms), self._check_entries, block_ms)
        return log_entries(reply[0][1]) if reply else []

    def exists(self) -> bool:
        return bool(self._ask(pack("EXISTS", self._key), _check_count, 0))

    def close(self) -> None:
        self._give_back()

    def _ask(self, packed: bytes, check: Check, block_ms: int) -> Reply:
        self._pause = None
        while True:
            reply = self._ask_once(packed, check, REPLY_TIMEOUT_S + block_ms / 1000)
            if not isinstance(reply, (Lost, ServerError)):
                if self._pool.troubled:
                    self._pool.went_well()
                return reply
            self._pool.dialer.closed.wait(self._judge(reply))

    def _ask_once(self, packed: bytes, check: Check, timeout_s: float) -> Reply:
        """The reply, or what went wrong as a `Lost` or `ServerError`."""
        try:
            connection = self._connection = self._usable() or self._pool.open()
            connection.send(packed)
            reply = connection.receive(timeout_s)
            check(reply)
            return reply
        except Lost as lost:
            return lost
        except BaseException:
            self._drop()
            raise


class RedisAsyncLogReader(_Reader):
    """`AsyncLogReader` on a pooled connection and the running loop."""

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        reply = await self._ask(self._read_command(after, count, block_ms), self._check_entries, block_ms)
        return log_entries(reply[0][1]) if reply else []

    async def exists(self) -> bool:
        return bool(await self._ask(pack("EXISTS", self._key), _check_count, 0))

    async def close(self) -> None:
        self._give_back()

    def release(self) -> None:
        self._give_back()

    async def _ask(self, packed: bytes, check: Check, block_ms: int) -> Reply:
        import asyncio

        self._pause = None
        while True:
            reply = await self._ask_once(packed, check, REPLY_TIMEOUT_S + block_ms / 1000)
            if not isinstance(reply, (Lost, ServerError)):
                if self._pool.troubled:
                    self._pool.went_well()
                return reply
            await asyncio.sleep(self._judge(reply))

    async def _ask_once(self, packed: bytes, check: Check, timeout_s: float) -> Reply:
        """The reply, or what went wrong as a `Lost` or `ServerError`."""
        import asyncio

        try:
            connection = self._usable()
            if connection is None:
                self._connection = None
                connection = await asyncio.to_thread(self._pool.open)
            self._connection = connection
            connection.send(packed)  # a few bytes into an empty socket buffer: does not block
            reply = connection.poll()
            if reply is NOTHING:
                reply = await _arrival(asyncio.get_running_loop(), connection, timeout_s)
            check(reply)
            return reply
        except Lost as lost:
            return lost
        except BaseException:  # cancelled in the middle: the reply must not meet another caller
            self._drop()
            raise


def _check_count(reply: Reply) -> None:
    """Raise `Lost` for what cannot be the reply of `EXISTS`."""
    if not isinstance(reply, (int, ServerError)):
        raise Lost("the reply belongs to another command")


async def _arrival(loop: asyncio.AbstractEventLoop, connection: Connection, timeout_s: float) -> Reply:
    """The next reply of `connection`, without blocking the loop. Raises `Lost`."""
    arrived: asyncio.Future[Reply] = loop.create_future()

    def look() -> None:
        if arrived.done():
            return
        try:
            reply = connection.poll()
        except Lost as lost:
            loop.remove_reader(fd)
            arrived.set_exception(lost)
            return
        if reply is not NOTHING:
            arrived.set_result(reply)

    def give_up() -> None:
        if not arrived.done():
            arrived.set_exception(Lost(f"no answer within {timeout_s:g} s"))

    fd, process = connection.fileno(), forks()
    loop.add_reader(fd, look)
    timer = loop.call_later(timeout_s, give_up)
    try:
        return await arrived
    finally:
        # In the child of a fork this may run when garbage is collected, and the loop's list of sockets (its epoll)
        # is the parent's, who still waits. And whoever waited may outlive the loop.
        if forks() == process and not loop.is_closed():
            timer.cancel()
            loop.remove_reader(fd)
