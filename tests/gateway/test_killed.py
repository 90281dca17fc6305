"""A gateway is killed amid streams. Each client comes back to another one, and has the log: all of it, and once."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk.sse import BytesLineDecoder, SSEDecoder
from tests.cli.command import Started
from tests.gateway.stand import State
from tests.inside import Inside
from tests.servers import newest, program

from drumline.graph import START, StateGraph
from drumline.types import StreamWriter
from drumline_gateway.frames import Frames
from drumline_gateway.json_values import plain
from drumline_gateway.service import Item
from drumline_transport.local_server import LocalServer, free_port

READERS, BURSTS, BURST = 60, 4, 50
MODES = ["custom", "values", "messages-tuple"]


class Gates:
    """Lets a node go on, burst by burst."""

    def __init__(self) -> None:
        self.open = [threading.Event() for _ in range(BURSTS)]

    def graph(self) -> Any:
        def speak(_state: State, writer: StreamWriter) -> State:
            for burst, gate in enumerate(self.open):
                assert gate.wait(60)
                for number in range(BURST):
                    writer({"burst": burst, "number": number, "text": "x" * 200})
            return {"said": ["done"]}

        return StateGraph(State).add_node(speak).add_edge(START, "speak").compile(name="speak")


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(program(newest())) as running:
        yield running


class Reader:
    """A client that comes back with the id of the last frame that it has whole, until `end`."""

    def __init__(self, url: str, number: int) -> None:
        self.url = url
        self.frames: list[tuple[str, Any]] = []
        self.ids: list[str] = []
        self.connections = 0
        #: hangs up by itself after so many frames of a connection, somewhere within the next one
        self._patience = random.Random(number).choice([7, 23, 61, 10_000])
        self.progress = asyncio.Event()

    async def read(self, http: httpx.AsyncClient) -> None:
        while not self.frames or self.frames[-1][0] != "end":
            headers = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
            self.connections += 1
            try:
                async with http.stream("GET", self.url, headers=headers) as answer:
                    assert answer.status_code == 200, await answer.aread()
                    await self._take(answer)
            except httpx.TransportError:
                await asyncio.sleep(0.05)  # nobody listens there for now

    async def _take(self, answer: httpx.Response) -> None:
        lines, events, taken = BytesLineDecoder(), SSEDecoder(), 0
        async for data in answer.aiter_raw():
            for line in lines.decode(data):
                part = events.decode(bytes(line))
                if part is None:
                    continue
                self.frames.append((part.event, part.data))
                if part.event != "end":  # it has the id of the one before
                    self.ids.append(str(part.id))
                self.progress.set()
                taken += 1
            if taken >= self._patience:
                return


async def reached(readers: list[Reader], frames: int) -> None:
    """Until all of them have so many frames."""
    for reader in readers:
        while len(reader.frames) < frames:
            reader.progress.clear()
            await asyncio.wait_for(reader.progress.wait(), 30)


def gateway_at(server: LocalServer, prefix: str, port: int, folder: Path) -> Started:
    words = ("--broker", server.url, "--prefix", prefix, "--port", str(port))
    started = Started("gateway", *words, cwd=folder)
    started.await_line(r"gateway ready: http")
    return started


@pytest.mark.cluster
def test_a_gateway_is_killed_amid_streams(server: LocalServer, tmp_path: Path) -> None:
    gates, port = Gates(), free_port()

    async def main(cluster: Any, prefix: str) -> None:
        run_id = await cluster.graph("speak").astart({"said": []})
        gateway = gateway_at(server, prefix, port, tmp_path)
        query = "&".join(f"stream_mode={mode}" for mode in MODES)
        url = f"http://127.0.0.1:{port}/runs/{run_id}/stream?{query}"
        readers = [Reader(url, number) for number in range(READERS)]
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=30, limits=limits) as http:
            reading = [asyncio.create_task(reader.read(http)) for reader in readers]
            gates.open[0].set()
            await reached(readers, BURST)
            gates.open[1].set()
            await reached(readers[:1], BURST + 5)  # the others are somewhere in the second burst
            gateway.process.kill()
            await asyncio.to_thread(gateway.wait)
            gates.open[2].set()
            gateway = await asyncio.to_thread(gateway_at, server, prefix, port, tmp_path)
            await reached(readers, 2 * BURST)
            gates.open[3].set()
            await asyncio.wait_for(asyncio.gather(*reading), 60)
        whole = await frames_by_itself(cluster, run_id)
        for reader in readers:
            assert reader.frames == whole
            assert len(set(reader.ids)) == len(reader.ids) and reader.connections >= 2
        assert gateway.end(signal.SIGTERM) == 0, gateway.text

    with Inside(server.url, {"speak": gates.graph()}) as inside:
        inside.coordinator()
        inside.worker()
        try:
            asyncio.run(main(inside.client(), inside.prefix))
        finally:
            for gate in gates.open:
                gate.set()


async def frames_by_itself(cluster: Any, run_id: str) -> list[tuple[str, Any]]:
    """The frames of the run, without a gateway."""
    frames = Frames(run_id, MODES)
    stream = cluster.ajoin(run_id, stream_mode=list(frames.modes), version="v2")
    found = frames.begin()
    async for part in stream:
        found += frames.item(
            Item(stream.position, part["type"], part["ns"], part["data"], part.get("interrupts") or ())
        )
    return [(frame.event, plain(frame.data)) for frame in [*found, *frames.end()]]
