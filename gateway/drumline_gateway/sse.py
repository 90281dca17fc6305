"""Streams of server-sent events: the bytes of a frame, and the one task that writes them.

A response reads its frames in a task of its own, no further ahead than a small queue, and the request's task writes
what is there, with a heartbeat at a steady interval. So a reader that is slow slows only its own reading: what it has
not read waits in the run's log. A reader that takes nothing at all for `stall_s` loses its connection.

A stream that just closes, without the event `end` or `error`, is a drop to all clients: they come back with the id of
the last frame that they have. So does a stream end whose gateway is stopped, or whose broker is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from starlette.responses import Response

from drumline_gateway.json_values import dumps
from drumline_gateway.placing import Frame, Raw
from drumline_gateway.service import Item, RunItems
from drumline_protocol.errors import NoBroker

log = logging.getLogger("drumline.gateway")

HEARTBEAT = b": heartbeat\n\n"
#: JavaScript's SDK takes a gap of three of these for a drop, once it has seen two
HEARTBEAT_S = 5.0
#: how long a client may take nothing
STALL_S = 30.0
#: what may wait for one client
QUEUE_BYTES_MAX = 256 * 1024
#: how long streams that are closed may take to say so
_CLOSE_S = 5.0

#: what proxies and browsers must know
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

#: line ends that JSON need not escape, and that some clients split lines at
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
#: what would end a line, or the id, in the name of an event
_IN_NAMES: dict[int, str] = dict.fromkeys([*range(0x20), 0x85, 0x2028, 0x2029], "\ufffd")


def frame_bytes(frame: Frame) -> bytes:
    """A frame as it goes over the wire."""
    data = frame.data.encode() if isinstance(frame.data, Raw) else dumps(frame.data)
    for end, escaped in _LINE_ENDS:
        data = data.replace(end, escaped)
    name = frame.event.translate(_IN_NAMES).encode("utf-8", "replace")
    id_ = b"id: %s\n" % frame.id.encode() if frame.id else b""
    event = b"event: %s\n" % name if name else b""
    return b"%s%sdata: %s\n\n" % (id_, event, data)


class Shows(Protocol):
    """What makes frames of a run: `Frames`, and its likes for other protocols."""

    def begin(self) -> list[Frame]: ...

    def item(self, item: Item) -> list[Frame]: ...

    def end(self) -> list[Frame]: ...

    def failed(self, error: BaseException) -> list[Frame]: ...


async def frames_of(items: RunItems, frames: Shows) -> AsyncIterator[Frame]:
    """All frames of a run: `begin`, its items, `end` or what it failed with. Closes `items`.

    Raises NoBroker: that is no end of the run.
    """
    try:
        for frame in frames.begin():
            yield frame
        try:
            async for item in items:
                for frame in frames.item(item):
                    yield frame
            last = frames.end()
        except NoBroker:
            raise
        except Exception as error:
            last = frames.failed(error)
        for frame in last:
            yield frame
    finally:
        await items.aclose()


class Closable(Protocol):
    """A stream, as the end of a gateway sees it."""

    def close(self) -> None:
        """End it where it is, for its client to come back."""


class Streams:
    """The streams of one gateway. For one event loop."""

    def __init__(
        self, *, queue_max: int = QUEUE_BYTES_MAX, heartbeat_s: float = HEARTBEAT_S, stall_s: float = STALL_S
    ) -> None:
        self.queue_max = queue_max
        self.heartbeat_s = heartbeat_s
        self.stall_s = stall_s
        #: whether this gateway is being stopped
        self.draining = False
        self._closed = False
        self._streams: set[Closable] = set()
        self._changed: asyncio.Event | None = None

    @property
    def open(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    def respond(
        self,
        frames: AsyncIterator[Frame],
        *,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Callable[[], Awaitable[None]] | None = None,
        release: Callable[[], None] | None = None,
        breaks: bool = False,
    ) -> Response:
        """A response that streams these frames, and closes them.

        `on_disconnect` is awaited if the client goes away before the last frame, `release` is called in any case.
        `breaks`: where the stream is ended before its last frame, the connection breaks off. It is for clients that
        take a stream which ends in good order for over.
        """
        return EventStream(self, frames, headers or {}, on_disconnect, release, breaks)

    async def drain(self, grace_s: float) -> None:
        """Let the streams that are open end by themselves for so long, then close them without `end`.

        From then on new ones are closed as soon as they have said where their run is.
        """
        self.draining = True
        await self._emptied(grace_s)
        self._closed = True
        for stream in self._streams:
            stream.close()
        await self._emptied(_CLOSE_S)

    async def _emptied(self, within_s: float) -> None:
        self._changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(within_s, self._changed.set)
        if self._streams:
            await self._changed.wait()
        timer.cancel()
        self._changed = None

    def entered(self, stream: Closable) -> None:
        """A stream is there."""
        self._streams.add(stream)
        if self._closed:
            asyncio.get_running_loop().call_soon(stream.close)  # once it has said where its run is

    def left(self, stream: Closable) -> None:
        """It is there no more."""
        self._streams.discard(stream)
        if self._changed is not None and not self._streams:
            self._changed.set()


class EventStream(Response):
    """The response of `Streams.respond`."""

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: Streams,
        frames: AsyncIterator[Frame],
        headers: Mapping[str, str],
        on_disconnect: Callable[[], Awaitable[None]] | None,
        release: Callable[[], None] | None,
        breaks: bool,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**headers, **HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        self._streams = streams
        self._frames = frames
        self._on_disconnect = on_disconnect
        self._release = release
        self._breaks = breaks
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        #: all frames are in the queue / the stream shall end where it is / the client has gone
        self._read = self._closing = self._gone = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def close(self) -> None:
        """End the stream where it is: what is in the queue is written, and nothing more is read."""
        self._closing = True
        for task in self._tasks[:1]:
            task.cancel()
        self._wake.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI's
        self._tasks = [asyncio.create_task(self._read_frames()), asyncio.create_task(self._await_disconnect(receive))]
        self._streams.entered(self)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._write(send)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            close: Any = getattr(self._frames, "aclose", None)
            if close is not None:  # frames that nobody began to read
                with suppress(Exception):
                    await close()
            if self._release is not None:
                self._release()
            self._streams.left(self)
        if self._gone and not self._is_over and self._on_disconnect is not None:
            await self._on_disconnect()

    @property
    def _is_over(self) -> bool:
        """All frames are written."""
        return self._read and not self._queue

    async def _read_frames(self) -> None:
        try:
            async for frame in self._frames:
                data = frame_bytes(frame)
                while self._queue and self._bytes + len(data) > self._streams.queue_max:
                    self._room.clear()
                    await self._room.wait()
                self._queue.append(data)
                self._bytes += len(data)
                self._wake.set()
            self._read = True
        except NoBroker as error:
            log.warning("a stream is closed, for its client to come back: %s", error)
            self._closing = True
        except Exception:
            log.exception("a stream broke")
            self._closing = True
        self._wake.set()

    async def _await_disconnect(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._wake.set()

    async def _write(self, send: Any) -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._streams.heartbeat_s
        while not self._gone:
            if self._queue:
                data = b"".join(self._queue)
                self._queue.clear()
                self._bytes = 0
                self._room.set()
            elif self._closing and self._breaks and not self._read:
                return  # without its last chunk: the server drops the connection
            elif self._read or self._closing:
                await self._send(send, b"", more=False)
                return
            elif loop.time() >= beat_at:
                data = HEARTBEAT
                beat_at = max(beat_at + self._streams.heartbeat_s, loop.time())
            else:
                self._wake.clear()
                timer = loop.call_at(beat_at, self._wake.set)
                await self._wake.wait()
                timer.cancel()
                continue
            if not await self._send(send, data, more=True):
                log.info("a client took nothing for %g s: its stream is closed", self._streams.stall_s)
                return

    async def _send(self, send: Any, data: bytes, *, more: bool) -> bool:
        """False: the client took nothing for too long."""
        sending = asyncio.ensure_future(send({"type": "http.response.body", "body": data, "more_body": more}))
        try:
            done, _ = await asyncio.wait((sending,), timeout=self._streams.stall_s)
        finally:
            sending.cancel()
        if done:
            with suppress(OSError):  # the client has gone: we are about to hear of it
                sending.result()
        return bool(done)
