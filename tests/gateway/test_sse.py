"""Streams of events: bytes, heartbeats, clients that go or take nothing, and a gateway that is stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from langgraph_sdk.sse import BytesLineDecoder, SSEDecoder
from starlette.applications import Starlette
from starlette.routing import Route

from drumline.metrics.of_gateway import GatewayCounts
from drumline_gateway.frames import Frame, Frames
from drumline_gateway.service import Item
from drumline_gateway.sse import HEARTBEAT, Streams, frame_bytes, frames_of
from drumline_protocol.errors import LogGap, NoBroker, RunCancelled


def decoded(data: bytes) -> list[tuple[str, Any, Any]]:
    """Frames as the vendor's own decoder reads them."""
    found: list[tuple[str, Any, Any]] = []
    lines, events = BytesLineDecoder(), SSEDecoder()
    for line in [*lines.decode(data), *lines.flush()]:
        part = events.decode(bytes(line))
        if part is not None:
            found.append((part.event, part.data, part.id))
    return found


@given(st.text(), st.text() | st.dictionaries(st.text(), st.text()), st.integers(1, 99))
def test_any_frame_is_read_as_what_it_is(name: str, data: Any, number: int) -> None:
    wire = frame_bytes(Frame("updates|" + name, data, f"{number}.1.t"))
    assert wire.endswith(b"\n\n") and len(wire.decode().splitlines()) == 4
    ((event, read, id_),) = decoded(wire)
    assert event.startswith("updates|") and id_ == f"{number}.1.t"
    assert read == json.loads(json.dumps(data).encode("utf-8", "replace"))


def test_the_bytes_of_a_frame() -> None:
    assert frame_bytes(Frame("values", {"a": "x\ny"}, "7")) == b'id: 7\nevent: values\ndata: {"a":"x\\ny"}\n\n'
    assert frame_bytes(Frame("end", None)) == b"event: end\ndata: null\n\n"


class Client:
    """An ASGI server with one client: what it was sent, and what it may take."""

    def __init__(self, streams: Streams, frames: AsyncIterator[Frame], **options: Any) -> None:
        self.start: Any = None
        self.body = b""
        self.complete = False
        self.takes = asyncio.Event()
        self.takes.set()
        self.changed = asyncio.Event()
        self.left: asyncio.Event = asyncio.Event()
        response: Any = streams.respond(frames, **options)
        self.serving = asyncio.create_task(response({"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            await self.takes.wait()
            self.body += message["body"]
            self.complete = not message["more_body"]
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 10)

    @property
    def events(self) -> list[str]:
        return [event for event, _, _ in decoded(self.body)]


class Source:
    """Frames that a test gives out one by one."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = False
        self.taken = 0

    def put(self, *what: Any) -> None:
        for one in what:
            self._queue.put_nowait(one)

    async def frames(self) -> AsyncIterator[Frame]:
        try:
            while (one := await self._queue.get()) is not None:
                if isinstance(one, BaseException):
                    raise one
                self.taken += 1
                yield one
        finally:
            self.closed = True


class Calls:
    def __init__(self) -> None:
        self.released = 0
        self.gone = 0

    def release(self) -> None:
        self.released += 1

    async def on_disconnect(self) -> None:
        self.gone += 1

    @property
    def options(self) -> dict[str, Any]:
        return {"release": self.release, "on_disconnect": self.on_disconnect}


def run(main: Callable[[Source, Calls], Any]) -> None:
    async def within() -> None:
        await main(Source(), Calls())

    asyncio.run(asyncio.wait_for(within(), 30))


def values(number: int, size: int = 0) -> Frame:
    return Frame("values", {"n": number, "x": "x" * size}, f"{number}.1.t")


def test_a_stream_to_its_end() -> None:
    async def main(source: Source, calls: Calls) -> None:
        streams = Streams()
        client = Client(streams, source.frames(), headers={"Content-Location": "/runs/r"}, **calls.options)
        source.put(values(1), values(2), Frame("end", None), None)
        await client.serving
        headers = {name.decode(): value.decode() for name, value in client.start["headers"]}
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-store" and headers["x-accel-buffering"] == "no"
        assert headers["content-location"] == "/runs/r" and "content-length" not in headers
        assert client.events == ["values", "values", "end"] and client.complete
        assert (calls.released, calls.gone, source.closed, streams.open) == (1, 0, True, 0)

    run(main)


def test_heartbeats_come_whether_or_not_there_are_events() -> None:
    async def main(source: Source, calls: Calls) -> None:
        client = Client(Streams(heartbeat_s=0.001), source.frames(), **calls.options)
        await client.until(lambda: client.body.count(HEARTBEAT) >= 3)
        source.put(values(1))
        await client.until(lambda: b"values" in client.body)
        beats = client.body.count(HEARTBEAT)
        await client.until(lambda: client.body.count(HEARTBEAT) > beats)
        assert client.events == ["values"]
        client.left.set()
        await client.serving

    run(main)


def test_a_client_that_goes_away_is_noticed_at_once() -> None:
    async def main(source: Source, calls: Calls) -> None:
        streams = Streams()
        client = Client(streams, source.frames(), **calls.options)
        source.put(values(1))
        await client.until(lambda: b"values" in client.body)
        assert streams.open == 1
        client.left.set()
        await client.serving
        assert (calls.released, calls.gone, source.closed, streams.open) == (1, 1, True, 0)

    run(main)


def test_a_request_that_is_cancelled_gives_back_what_it_had() -> None:
    async def main(source: Source, calls: Calls) -> None:
        streams = Streams()
        client = Client(streams, source.frames(), **calls.options)
        source.put(values(1))
        await client.until(lambda: b"values" in client.body)
        client.serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.serving
        assert (calls.released, source.closed, streams.open) == (1, True, 0)

    run(main)


def test_a_slow_client_slows_its_own_reading() -> None:
    async def main(source: Source, calls: Calls) -> None:
        client = Client(Streams(queue_max=3000), source.frames(), **calls.options)
        client.takes.clear()
        source.put(*(values(number, 1000) for number in range(1, 21)), Frame("end", None), None)
        for _ in range(100):
            await asyncio.sleep(0)
        assert source.taken < 12
        client.takes.set()
        await client.serving
        assert client.events == ["values"] * 20 + ["end"]

    run(main)


def test_a_client_that_takes_nothing_loses_its_connection() -> None:
    async def main(source: Source, calls: Calls) -> None:
        streams = Streams(stall_s=0.01)
        streams.counts = counts = GatewayCounts()
        client = Client(streams, source.frames(), **calls.options)
        client.takes.clear()
        source.put(values(1))
        await client.until(lambda: b"drumline_streams_open 1.0" in counts.told()[0])
        await client.serving
        assert b"drumline_streams_open 0.0" in counts.told()[0]
        assert b"drumline_streams_stalled_total 1.0" in counts.told()[0]
        assert not client.complete and "end" not in client.events
        assert (calls.released, calls.gone, source.closed) == (1, 0, True)

    run(main)


def test_a_gateway_that_is_stopped_closes_streams_without_end() -> None:
    async def main(source: Source, calls: Calls) -> None:
        streams, ended = Streams(), Source()
        client = Client(streams, source.frames(), **calls.options)
        other = Client(streams, ended.frames())
        source.put(values(1))
        await client.until(lambda: b"values" in client.body)
        draining = asyncio.create_task(streams.drain(0.2))
        await asyncio.sleep(0)
        assert streams.draining
        ended.put(Frame("end", None), None)  # within the grace
        await other.serving
        assert other.events == ["end"]
        source.put(values(2))
        await draining
        await client.serving
        assert client.events == ["values", "values"] and client.complete
        assert (calls.released, calls.gone, source.closed, streams.open) == (1, 0, True, 0)
        late = Client(streams, source.frames())
        await late.serving
        assert late.start is not None and late.complete

    run(main)


def test_a_broker_that_is_away_is_no_end_of_a_run(caplog: pytest.LogCaptureFixture) -> None:
    async def main(source: Source, calls: Calls) -> None:
        client = Client(Streams(), source.frames(), **calls.options)
        source.put(values(1), NoBroker("redis://x", "gone"))
        await client.serving
        assert client.events == ["values"] and client.complete and calls.gone == 0

    with caplog.at_level(logging.WARNING):
        run(main)
    assert "for its client to come back" in caplog.text


class Items:
    """A run's items, then how it ended."""

    def __init__(self, *items: Any) -> None:
        self._items = list(items)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        if not self._items:
            raise StopAsyncIteration
        item = self._items.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("last", "events"),
    [
        ((), ["metadata", "values", "end"]),
        ((ValueError("no"),), ["metadata", "values", "error"]),
        ((RunCancelled("r", "asked"),), ["metadata", "values", "error"]),
    ],
)
def test_all_frames_of_a_run(last: tuple[Any, ...], events: list[str]) -> None:
    items = Items(Item("2.1.t", "values", (), {"n": 1}), *last)

    async def main() -> list[Frame]:
        return [frame async for frame in frames_of(items, Frames("r", "values"))]

    frames = asyncio.run(main())
    assert [frame.event for frame in frames] == events and items.closed
    if last:
        assert frames[-1].data["error"] == type(last[0]).__name__


@pytest.mark.parametrize(("error", "gaps"), [(LogGap("r", 3, 5), b"1.0"), (ValueError("no"), b"0.0")])
def test_facts_that_are_missing_are_counted(error: Exception, gaps: bytes) -> None:
    async def main() -> list[Frame]:
        return [frame async for frame in frames_of(Items(error), Frames("r", "values"), counts)]

    counts = GatewayCounts()
    assert asyncio.run(main())[-1].event == "error"
    assert b"drumline_stream_gaps_total " + gaps in counts.told()[0]


def test_on_a_real_server_a_client_that_hangs_up_ends_the_stream() -> None:
    async def main() -> None:
        source, calls, streams = Source(), Calls(), Streams()
        gone = asyncio.Event()

        async def on_disconnect() -> None:
            gone.set()

        async def endpoint(_request: Any) -> Any:
            return streams.respond(source.frames(), on_disconnect=on_disconnect, release=calls.release)

        app = Starlette(routes=[Route("/", endpoint)])
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(server.serve([listening]))
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            source.put(values(1))
            assert b"text/event-stream" in await reader.readuntil(b"\r\n\r\n")
            assert b"event: values" in await reader.readuntil(b"\n\n")
            writer.close()
            await asyncio.wait_for(gone.wait(), 10)
            assert source.closed and calls.released == 1 and streams.open == 0
            server.should_exit = True
            await serving

    asyncio.run(main())
