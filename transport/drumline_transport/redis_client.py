"""The client's verbs on Redis: submit, and readers of run logs, blocking and for event loops.
Promises: `ClientVerbs`.

Both readers use the same connections, from one pool: a connection is a plain socket, so it is bound
to no event loop and outlives them. The async reader waits for its socket with the loop's own
`add_reader`; a call that is cancelled in the middle closes its connection.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from drumline_protocol.errors import NoBroker
from drumline_protocol.keys import Keys
from drumline_transport.broker import START_POSITION, DeadEntry, FailedRun, LogEntry
from drumline_transport.connection import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    NOTHING,
    PASSING,
    REPLY_TIMEOUT_S,
    UNWELCOME,
    Argument,
    Connection,
    Dialer,
    Lost,
    Reply,
    pack,
)
from drumline_transport.errors import BrokerRefuses, ServerError
from drumline_transport.redis_core import RedisCore
from drumline_transport.rows import dead_entry, failed_run, log_entries

if TYPE_CHECKING:
    import asyncio

#: Connections that readers gave back and that are kept for the next.
_IDLE_CONNECTIONS_MAX = 64


class _Pool:
    """Connections for readers. Safe for threads."""

    def __init__(self, dialer: Dialer) -> None:
        self.dialer = dialer
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def idle(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def open(self) -> Connection:
        return self.dialer.dial("log")

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

    def dead(self, p: int, count: int) -> list[tuple[str, DeadEntry]]:
        rows = self._any.call("XREVRANGE", self._keys.dead(p), "+", "-", "COUNT", count)
        return [(row_id.decode(), dead_entry(values)) for row_id, values in rows]

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


class _Reader:
    """What both readers share: the commands, and when to try again."""

    def __init__(self, pool: _Pool, key: str) -> None:
        self._pool = pool
        self._key = key
        self._connection: Connection | None = None

    def _read_command(self, after: str, count: int, block_ms: int) -> bytes:
        wait: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        if after == "-":
            after = START_POSITION
        return pack("XREAD", "COUNT", count, *wait, "STREAMS", self._key, after)

    def _drop(self) -> None:
        if self._connection is not None:
            self._pool.dialer.hang_up(self._connection)
            self._connection = None

    def _give_back(self) -> None:
        if self._connection is not None:
            self._pool.give_back(self._connection)
            self._connection = None

    def _judge(self, error: Lost | ServerError, attempt: int, deadline: float) -> float:
        """How long to wait before the next attempt; raises when there shall be none."""
        dialer, now = self._pool.dialer, time.monotonic()
        final = now >= deadline or dialer.closed.is_set()
        if isinstance(error, ServerError):
            cause = error.text
            if error.code not in PASSING | UNWELCOME:
                raise error
            final = final or error.code in UNWELCOME
        else:
            cause = str(error)
            self._pool.clear()  # those that lie idle broke with it
        self._drop()
        if final:
            refused = isinstance(error, ServerError) and error.code in PASSING
            raise (BrokerRefuses if refused else NoBroker)(dialer.url, cause) from None
        return min(BACKOFF_FIRST_S * 2.0 ** min(attempt, 10), BACKOFF_MAX_S, deadline - now)


class RedisLogReader(_Reader):
    """`LogReader` on a pooled connection."""

    def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        reply = self._ask(self._read_command(after, count, block_ms), block_ms)
        return log_entries(reply[0][1]) if reply else []

    def exists(self) -> bool:
        return bool(self._ask(pack("EXISTS", self._key), 0))

    def close(self) -> None:
        self._give_back()

    def _ask(self, packed: bytes, block_ms: int) -> Reply:
        attempt, deadline = 0, 0.0
        while True:
            reply = self._ask_once(packed, REPLY_TIMEOUT_S + block_ms / 1000)
            if not isinstance(reply, (Lost, ServerError)):
                return reply
            deadline = deadline or time.monotonic() + self._pool.dialer.patience_s
            self._pool.dialer.closed.wait(self._judge(reply, attempt, deadline))
            attempt += 1

    def _ask_once(self, packed: bytes, timeout_s: float) -> Reply:
        """The reply, or what went wrong as a `Lost` or `ServerError`."""
        try:
            connection = self._connection or self._pool.idle() or self._pool.open()
            self._connection = connection
            connection.send(packed)
            return connection.receive(timeout_s)
        except Lost as lost:
            return lost
        except BaseException:
            self._drop()
            raise


class RedisAsyncLogReader(_Reader):
    """`AsyncLogReader` on a pooled connection and the running loop."""

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        reply = await self._ask(self._read_command(after, count, block_ms), block_ms)
        return log_entries(reply[0][1]) if reply else []

    async def exists(self) -> bool:
        return bool(await self._ask(pack("EXISTS", self._key), 0))

    async def close(self) -> None:
        self._give_back()

    async def _ask(self, packed: bytes, block_ms: int) -> Reply:
        import asyncio

        attempt, deadline = 0, 0.0
        while True:
            reply = await self._ask_once(packed, REPLY_TIMEOUT_S + block_ms / 1000)
            if not isinstance(reply, (Lost, ServerError)):
                return reply
            deadline = deadline or time.monotonic() + self._pool.dialer.patience_s
            await asyncio.sleep(self._judge(reply, attempt, deadline))
            attempt += 1

    async def _ask_once(self, packed: bytes, timeout_s: float) -> Reply:
        """The reply, or what went wrong as a `Lost` or `ServerError`."""
        import asyncio

        try:
            connection = self._connection or self._pool.idle()
            if connection is None:
                connection = await asyncio.to_thread(self._pool.open)
            self._connection = connection
            connection.send(packed)  # a few bytes into an empty socket buffer: does not block
            reply = connection.poll()
            if reply is NOTHING:
                reply = await _arrival(asyncio.get_running_loop(), connection, timeout_s)
            return reply
        except Lost as lost:
            return lost
        except BaseException:  # cancelled in the middle: the reply must not meet another caller
            self._drop()
            raise


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

    fd = connection.fileno()
    loop.add_reader(fd, look)
    timer = loop.call_later(timeout_s, give_up)
    try:
        return await arrived
    finally:
        timer.cancel()
        loop.remove_reader(fd)
