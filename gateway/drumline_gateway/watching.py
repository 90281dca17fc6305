"""Any number of readers of any number of runs, by one read of all their logs.

A thread of its own waits for all logs that somebody watches (`LogsReader`), and hands what came to the event loop.
There each reader has a buffer of what it has not taken. A reader that stands further back than its log is read, because
it came late or its buffer was full, reads the log itself until it is there: a few of these at a time, so the number of
connections to the broker does not grow.
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from drumline_protocol.errors import NoBroker
from drumline_transport.backoff import Pause
from drumline_transport.broker import AsyncLogReader, LogEntry, LogsReader

if TYPE_CHECKING:
    from drumline.cluster import Cluster

#: entries of one log that one read brings
COUNT_MAX = 128
#: how long a read waits
BLOCK_MS = 5000
#: readers that read old entries at the same time
CATCH_UP_MAX = 8
#: what waits in one reader's buffer, before it is emptied and the reader has to read the log itself
BUFFER_BYTES_MAX = 1024 * 1024
BUFFER_ENTRIES_MAX = 1024
#: batches that the thread hands over before it waits for the loop to take them
BATCHES_MAX = 4
#: A reader says that nothing came after so long, and up to twice so long: whoever hears it asks the broker whether the
#: run is still there. Readers of one run come each at another time.
QUIET_S = 15.0
#: how long the broker may be away before the readers are told
PATIENCE_S = 10.0

_START = (0, 0)
#: a partition and a run
_Name = tuple[int, str]
_Id = tuple[int, int]


class Watching:
    """Reads the logs of all runs that event loops ask one cluster's client for. For one event loop.

    Between `open` and `aclose` every `ajoin`, `astream` and `aresult` of that `Cluster` on this loop reads through it.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._link = cluster.link
        self._loop: asyncio.AbstractEventLoop | None = None
        self._logs: dict[_Name, _Log] = {}
        self._reader: LogsReader | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._batches = threading.Semaphore(BATCHES_MAX)
        self._catching_up = asyncio.Semaphore(CATCH_UP_MAX)

    async def open(self) -> None:
        """Begin, on the running loop. Connects when a run is first watched."""
        self._loop = asyncio.get_running_loop()
        self._link.read_logs_by(self.reader)

    async def aclose(self) -> None:
        """End: readers that wait get NoBroker, later ones have a connection each."""
        self._link.read_logs_by(None)
        self._closed.set()
        if self._reader is not None:
            self._reader.close()
        self._fail(NoBroker(self._link.url, "this gateway is closing"))
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def reader(self, p: int, run_id: str) -> AsyncLogReader:
        """A reader of one log; on another loop one with a connection of its own."""
        with suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                return WatchedLogReader(self, p, run_id)
        return self._link.broker().alog_reader(p, run_id)

    @property
    def watched(self) -> int:
        """How many logs are watched."""
        return len(self._logs)

    # -- on the loop --------------------------------------------------------------------------------

    async def catch_up(self, name: _Name, after: str, count: int) -> list[LogEntry]:
        """What a log has behind an entry, without waiting for more."""
        async with self._catching_up:
            log = self._link.broker().alog_reader(*name)
            try:
                return await log.read(after, count, 0)
            finally:
                await log.close()

    async def exists(self, name: _Name) -> bool:
        """Whether there is such a log."""
        async with self._catching_up:
            log = self._link.broker().alog_reader(*name)
            try:
                return await log.exists()
            finally:
                await log.close()

    def attach(self, reader: WatchedLogReader, after: str) -> _Id:
        """Give the reader what comes from now on. Returns the id behind which that is."""
        log = self._logs.get(reader.name)
        if log is None:
            log = self._logs[reader.name] = _Log(parse(after))
            self._started().follow(*reader.name, after)
        log.readers.add(reader)
        return log.position

    def detach(self, reader: WatchedLogReader) -> None:
        """The reader takes no more."""
        log = self._logs.get(reader.name)
        if log is not None:
            log.readers.discard(reader)
            if not log.readers:
                del self._logs[reader.name]
                if self._reader is not None:
                    self._reader.leave(*reader.name)

    def detach_soon(self, reader: WatchedLogReader) -> None:
        """The same from any thread, also where no loop runs any more."""
        if self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(reader.detach)

    def _started(self) -> LogsReader:
        if self._reader is None:
            if self._closed.is_set():
                raise NoBroker(self._link.url, "this gateway is closing")
            self._reader = self._link.broker().logs_reader()
            self._thread = threading.Thread(target=self._read, name="drumline-watching", daemon=True)
            self._thread.start()
        return self._reader

    def _arrived(self, found: list[tuple[int, str, list[LogEntry]]]) -> None:
        self._batches.release()
        for p, run_id, entries in found:
            log = self._logs.get((p, run_id))
            if log is None:
                continue
            # Something may still be on its way of readers that have gone and came again. And a log may lack a part.
            goes_on = parse(entries[0].id) > log.position and entries[0].first == log.position[1] + 1
            log.position = parse(entries[-1].id)
            for reader in list(log.readers):
                if goes_on:
                    reader.put(entries)
                else:
                    reader.stand_back()

    def _fail(self, error: BaseException) -> None:
        for log in list(self._logs.values()):
            for reader in list(log.readers):
                reader.fail(error)

    # -- the thread ---------------------------------------------------------------------------------

    def _read(self) -> None:
        reader, pause, away_s = self._reader, Pause(), 0.0
        assert reader is not None
        while not self._closed.is_set():
            try:
                found = reader.read(COUNT_MAX, BLOCK_MS)
                pause.reset()
                away_s = 0.0
            except Exception as error:
                seconds = pause.seconds()
                away_s += seconds
                if away_s >= PATIENCE_S or not isinstance(error, NoBroker):
                    self._tell(self._fail, error)
                self._closed.wait(seconds)
                continue
            while found and not self._closed.is_set():
                if self._batches.acquire(timeout=1.0):
                    self._tell(self._arrived, found)
                    break

    def _tell(self, *call: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            assert self._loop is not None
            self._loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]


class _Log:
    """A log that is watched: behind which entry the next ones come, and who gets them."""

    __slots__ = ("position", "readers")

    def __init__(self, position: _Id) -> None:
        self.position = position
        self.readers: set[WatchedLogReader] = set()


class WatchedLogReader:
    """`AsyncLogReader` of a log that is watched. For one task at a time."""

    def __init__(self, watching: Watching, p: int, run_id: str) -> None:
        self.name: _Name = (p, run_id)
        self._watching = watching
        self._buffer: deque[LogEntry] = deque()
        self._bytes = 0
        #: behind this entry all are in the buffer, or were; None: it is not attached
        self._since: _Id | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._error: BaseException | None = None

    async def read(self, after: str, count: int, block_ms: int) -> list[LogEntry]:
        at = parse(after)
        if block_ms <= 0:
            return await self._watching.catch_up(self.name, after, count)
        while True:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._since is not None and self._since <= at:
                found = self._take(at, count)
                if not found and await self._wait(at, block_ms):
                    continue
                return found
            found = await self._watching.catch_up(self.name, after, count)
            if found:
                return found
            if self._since is None:
                self._since = self._watching.attach(self, after)
            else:  # what lies between is gone, if there was something
                self._since = at

    def _take(self, at: _Id, count: int) -> list[LogEntry]:
        found: list[LogEntry] = []
        buffer = self._buffer
        while buffer and len(found) < count:
            entry = buffer.popleft()
            self._bytes -= len(entry.data)
            if parse(entry.id) > at:
                found.append(entry)
        return found

    async def _wait(self, at: _Id, block_ms: int) -> bool:
        """Wait for something to come. False: nothing did in time."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting = loop.create_future()
        timer = loop.call_later(self._quiet_s(at, block_ms), _done, waiting)
        try:
            await waiting
        finally:
            timer.cancel()
            self._waiting = None
        return bool(self._buffer) or self._error is not None or self._since is None

    def _quiet_s(self, at: _Id, block_ms: int) -> float:
        if at == _START:  # nobody has accepted the run yet: whoever reads looks round as often as it wants
            return block_ms / 1000
        return max(block_ms / 1000, QUIET_S * (1 + zlib.crc32(f"{self.name} {id(self)}".encode()) / 2**32))

    # -- called by the loop -------------------------------------------------------------------------

    def put(self, entries: list[LogEntry]) -> None:
        """What came."""
        self._buffer.extend(entries)
        self._bytes += sum(len(entry.data) for entry in entries)
        if self._bytes > BUFFER_BYTES_MAX or len(self._buffer) > BUFFER_ENTRIES_MAX:
            self.stand_back()  # when it has time
        self._wake()

    def stand_back(self) -> None:
        """Read the log itself, and see what is there."""
        self.detach()
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Nothing can be read."""
        self._error = error
        self.detach()
        self._wake()

    def detach(self) -> None:
        """Take no more."""
        if self._since is not None:
            self._since = None
            self._buffer.clear()
            self._bytes = 0
            self._watching.detach(self)

    def _wake(self) -> None:
        if self._waiting is not None:
            _done(self._waiting)

    # -- the rest of an AsyncLogReader --------------------------------------------------------------

    async def exists(self) -> bool:
        return await self._watching.exists(self.name)

    async def close(self) -> None:
        self.detach()

    def release(self) -> None:
        self._watching.detach_soon(self)


def _done(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def parse(entry_id: str) -> _Id:
    """An entry's id as numbers; "-" is the start."""
    if entry_id == "-":
        return _START
    epoch, _, number = entry_id.partition("-")
    return int(epoch), int(number or 0)
