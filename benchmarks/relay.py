"""A relay between one process and the broker: it counts what passes, and how large the largest script call was.

It works with every Redis and whatever the process does: nothing is asked of the server, of which only newer versions
count the bytes of a connection, and nothing of drumline. It costs a hop, so nothing that is timed goes through one,
unless the table says so. Relays run in a thread of the benchmark's own process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

#: how the commit script may be called
SCRIPT_CALLS = frozenset({b"EVAL", b"EVALSHA", b"FCALL"})

_READ_BYTES = 256 * 1024
_NAME_BYTES_MAX = 32


class CommandSizes:
    """Reads the commands of one connection as they pass, in pieces of any length, and keeps the largest size by name.

    Pure. What it reads are arrays of bulk strings, as every client library writes them. A size is that of the whole
    command on the wire. The contents of arguments are skipped.
    """

    def __init__(self) -> None:
        self.largest: dict[bytes, int] = {}
        self._line = b""
        self._arguments_left = 0
        self._skip = 0
        self._size = 0
        self._name = b""
        self._is_first = False

    def feed(self, data: bytes) -> None:
        """The next piece of what the client writes. ValueError if it is no array of bulk strings."""
        at = 0
        while at < len(data):
            at = self._argument(data, at) if self._skip else self._head(data, at)

    def _head(self, data: bytes, at: int) -> int:
        """A line that tells a count or a length, or the part of it that is there."""
        end = data.find(b"\n", at) + 1
        if not end:
            self._line += data[at:]
            return len(data)
        line, self._line = self._line + data[at:end], b""
        kind, count = line[:1], int(line[1:])
        if kind == b"*":
            self._arguments_left, self._size, self._name, self._is_first = count, len(line), b"", True
        elif kind == b"$":
            self._size += len(line) + count + 2
            self._skip = count + 2
        else:
            raise ValueError(f"a command begins with {line[:20]!r}: it is no array of bulk strings")
        return end

    def _argument(self, data: bytes, at: int) -> int:
        """The bytes of an argument that are there."""
        step = min(self._skip, len(data) - at)
        if self._is_first:
            self._name += data[at : at + min(step, _NAME_BYTES_MAX)]
        self._skip -= step
        if not self._skip:
            self._is_first = False
            self._arguments_left -= 1
            if not self._arguments_left:
                name = self._name.rstrip(b"\r\n").upper()
                self.largest[name] = max(self.largest.get(name, 0), self._size)
        return at + step


class Relay:
    """Connect to `url` instead of the broker's own. `written` and `read` count bytes as that process sees them."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379
        #: bytes from the process to the broker, and from the broker to the process
        self.written = self.read = 0
        self._sizes: list[CommandSizes] = []
        self._loop = asyncio.new_event_loop()
        self._pipes: set[asyncio.Task[None]] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        login, at, _ = parts.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()

    def largest_script_call(self) -> int:
        """Bytes of the largest call of a script that has passed."""
        return max(
            (size for one in self._sizes for name, size in one.largest.items() if name in SCRIPT_CALLS), default=0
        )

    def close(self) -> None:
        """Cut all connections and end the thread. May be called twice."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_broker, to_broker = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        sizes = CommandSizes()
        self._sizes.append(sizes)
        for pipe in (self._up(reader, to_broker, sizes), self._down(from_broker, writer)):
            task = asyncio.ensure_future(pipe)
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sizes: CommandSizes) -> None:
        with _closing(writer):
            while data := await reader.read(_READ_BYTES):
                self.written += len(data)
                writer.write(data)
                sizes.feed(data)
                await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _closing(writer):
            while data := await reader.read(_READ_BYTES):
                self.read += len(data)
                writer.write(data)
                await writer.drain()


@contextlib.contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    """One direction is over, with or without an error: the other side hears of it."""
    try:
        with contextlib.suppress(OSError):
            yield
    finally:
        writer.close()
