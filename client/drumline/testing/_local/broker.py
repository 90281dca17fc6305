"""The memory broker for threads: the double behind a lock, with a clock that runs and reads that wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from drumline_transport.broker import CommitReply, Delivery, InboxEntry, LogEntry, Position
from drumline_transport.memory import MemoryBroker, MemoryServer

T = TypeVar("T")

#: verbs that change nothing that anybody waits for
_QUIET = frozenset(
    {"renew", "renew_all", "renew_leases", "beat", "members", "time_ms", "load_run", "load_log", "survey"}
)


class LocalServer(MemoryServer):
    """What a Redis would hold, for the threads of this process. Its clock is that of the machine."""

    def __init__(self, partitions: int) -> None:
        self._base_ms = time.time() * 1000 - time.monotonic() * 1000
        super().__init__(partitions)
        #: held by whoever uses a verb; told when something was written
        self.changed = threading.Condition()
        self.closed = False
        self._listening: dict[int, Callable[[], None]] = {}
        self._listeners = 0

    @property
    def now_ms(self) -> int:
        """Milliseconds that never go back."""
        return int(self._base_ms + time.monotonic() * 1000)

    @now_ms.setter
    def now_ms(self, value: int) -> None:
        """What the double begins with does not matter here."""

    def close(self) -> None:
        """Nobody waits any more."""
        with self.changed:
            self.closed = True
            self.tell()

    def tell(self) -> None:
        """Something was written: whoever waits looks again. For who holds the lock."""
        self.changed.notify_all()
        for wake in list(self._listening.values()):
            wake()

    def listen(self, wake: Callable[[], None]) -> int:
        """Call `wake`, in any thread, when something is written, until `deafen` is told the number."""
        with self.changed:
            self._listeners += 1
            self._listening[self._listeners] = wake
            return self._listeners

    def deafen(self, number: int) -> None:
        """See `listen`."""
        with self.changed:
            self._listening.pop(number, None)

    def wait(self, ask: Callable[[], T], block_ms: int) -> T:
        """What `ask` answers, as soon as that is something, or when the time is over."""
        deadline = time.monotonic() + block_ms / 1000
        with self.changed:
            while not (found := ask()) and not self.closed and (left := deadline - time.monotonic()) > 0:
                self.changed.wait(left)
            return found


class LocalBroker:
    """All verbs, for one role; safe for its threads."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._inner = MemoryBroker(server)
        self.partitions = self._inner.partitions
        self.protocol = self._inner.protocol

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._server.changed:
                found = verb(*args, **kwargs)
                if name not in _QUIET:
                    self._server.tell()
                return found

        if callable(verb):
            self.__dict__[name] = call
            return call
        return verb  # what it says of its commits, which changes

    # -- verbs that wait ----------------------------------------------------------------------------

    def take(self, pools: list[str], consumer: str, count: int, block_ms: int) -> list[Delivery]:
        """See `WorkerVerbs`."""
        return self._server.wait(lambda: self._inner.take(pools, consumer, count, 0), block_ms)

    def read_inbox(self, after: dict[int, Position], count: int, block_ms: int) -> list[InboxEntry]:
        """See `CoordinatorVerbs`. A reply to a commit ends the wait, too."""
        found: list[InboxEntry] = []

        def ask() -> bool:
            found[:] = self._inner.read_inbox(after, count, 0)
            return bool(found or self._inner.outstanding)

        self._server.wait(ask, block_ms)
        return found

    def poll_commits(self, block_ms: int = 0) -> list[CommitReply]:
        """See `CoordinatorVerbs`."""
        found: list[CommitReply] = []

        def ask() -> bool:
            found[:] = self._inner.poll_commits(0)
            return bool(found or not self._inner.outstanding)

        self._server.wait(ask, block_ms)
        return found

    def read_ctl(self, after: str, block_ms: int) -> list[tuple[str, bytes]]:
        """See `WorkerVerbs`."""
        return self._server.wait(lambda: self._inner.read_ctl(after, 0), block_ms)

    def log_reader(self, p: int, run_id: str) -> LocalLogReader:
        """See `ReaderVerbs`."""
        return LocalLogReader(self._server, p, run_id)

    def alog_reader(self, p: int, run_id: str) -> LocalAsyncLogReader:
        """See `ReaderVerbs`."""
        return LocalAsyncLogReader(LocalLogReader(self._server, p, run_id))

    def logs_reader(self) -> LocalLogsReader:
        """See `ReaderVerbs`."""
        return LocalLogsReader(self._server)

    def close(self) -> None:
        """This role asks no more. Others go on."""
        with self._server.changed:
            self._inner.close()


class LocalLogReader:
    """`LogReader` that waits."""

    def __init__(self, server: LocalServer, p: int, run_id: str) -> None:
        self.server = server
        self._reader = MemoryBroker(server).log_reader(p, run_id)

    def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        """Entries behind `after`; [] if none comes in time."""
        return self.server.wait(lambda: self._reader.read(after, count, 0), block_ms)

    def exists(self) -> bool:
        """Whether there is a log."""
        with self.server.changed:
            return self._reader.exists()

    def close(self) -> None:
        """Nothing is open."""


class LocalAsyncLogReader:
    """The twin for an event loop."""

    def __init__(self, reader: LocalLogReader) -> None:
        self._reader = reader

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        """See `LocalLogReader.read`."""
        found = self._reader.read(after, count, 0)
        if found or not block_ms:
            return found
        loop, server, told = asyncio.get_running_loop(), self._reader.server, asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(told.set)

        number = server.listen(wake)
        deadline = time.monotonic() + block_ms / 1000
        try:
            while not (found := self._reader.read(after, count, 0)) and (left := deadline - time.monotonic()) > 0:
                told.clear()
                try:
                    await asyncio.wait_for(told.wait(), left)
                except asyncio.TimeoutError:
                    break
        finally:
            server.deafen(number)
        return found or self._reader.read(after, count, 0)

    async def exists(self) -> bool:
        """Whether there is a log."""
        return self._reader.exists()

    async def close(self) -> None:
        """Nothing is open."""

    def release(self) -> None:
        """Nothing is open."""


class LocalLogsReader:
    """`LogsReader` that waits."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._reader = MemoryBroker(server).logs_reader()
        self._closed = False

    def follow(self, p: int, run_id: str, after: str) -> None:
        """See `LogsReader`."""
        with self._server.changed:
            self._reader.follow(p, run_id, after)
            self._server.tell()

    def leave(self, p: int, run_id: str) -> None:
        """See `LogsReader`."""
        with self._server.changed:
            self._reader.leave(p, run_id)

    def read(self, count: int, block_ms: int) -> list[tuple[int, str, list[LogEntry]]]:
        """New entries of the logs that are followed; [] if none comes in time, and after `close`."""
        found: list[tuple[int, str, list[LogEntry]]] = []

        def ask() -> bool:
            found[:] = [] if self._closed else self._reader.read(count, 0)
            return bool(found) or self._closed

        self._server.wait(ask, block_ms)
        return found

    def close(self) -> None:
        """See `LogsReader`."""
        with self._server.changed:
            self._closed = True
            self._server.tell()
