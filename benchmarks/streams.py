"""`python -m benchmarks.streams`: a gateway under many streams, and one that is killed under its readers.

1. 200 runs that write, each read by a client over SSE, beside 2,000 streams of runs that do nothing: how long from a
   node's writer to the client, what the gateway takes of memory, and how many connections to the broker it has.
2. 500 readers of 50 runs at one of two gateways, which is killed (SIGKILL) in the middle: they come back to the other
   one with the id of their last event. What each has read must be the run's log, without a gap and without a repeat.

Sockets are plain, so that the clients take as little as they can of the machine that they share with all the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from benchmarks.processes import ClusterProcesses, Process
from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph
from drumline_transport.local_server import LocalServer, find_server

#: how many times a reader that has lost its gateway knocks again, and how long it rests between
_TRIES, _REST_S = 200, 0.05
#: how long all runs and readers have to come before the first item
_GATHER_S = 30.0


class State(TypedDict, total=False):
    items: int
    every_s: float
    #: when the first item is written, by the clock of this machine: until then all readers come
    begins: float


async def write(state: State) -> State:
    """Write numbers and when each was written, so many, so often."""
    tell = get_stream_writer()
    await asyncio.sleep(max(0.0, state.get("begins", 0.0) - time.time()))
    for number in range(state["items"]):
        tell({"n": number, "at": time.time()})
        await asyncio.sleep(state["every_s"])
    return {}


graph = StateGraph(State).add_node(write).add_edge(START, "write").compile(name="writer")


class Gateway(Process):
    """A gateway process on a port of its own."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(["-m", "drumline.cli.main", "gateway", "--prefix", prefix, "--port", "0"], url)
        self.await_ready()
        found = re.search(r"ready: http://[^:]+:(\d+)", "".join(self.lines))
        assert found is not None, self.lines
        self.port = int(found[1])

    @property
    def memory_mb(self) -> float:
        """What it takes of memory."""
        words = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", words)
        return int(found[1]) / 1024 if found else 0.0

    def connections(self, to: int) -> int:
        """Its open TCP connections to a port of this machine."""
        mine = set()
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                mine.add(os.readlink(link))
        count = 0
        for line in Path(f"/proc/{self.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            count += words[2].endswith(f":{to:04X}") and words[3] == "01" and f"socket:[{words[9]}]" in mine
        return count


async def events(port: int, path: str, last: str | None = None) -> AsyncIterator[tuple[str, str, str]]:
    """Event, id and data of each frame of a stream, until it closes. OSError if nobody listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    try:
        more = "" if last is None else f"Last-Event-ID: {last}\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise OSError(f"{path}: {status!r}")
        event = id_ = data = ""
        async for raw in reader:  # lines of chunks' sizes lie between; none of them looks like a field
            line = raw.decode().rstrip("\r\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("id: "):
                id_ = line[4:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line.startswith(": ") and not event:
                yield "", "", ""
            elif not line and event:
                yield event, id_, data
                event = id_ = data = ""
    finally:
        writer.close()


class Lab:
    """A broker, a coordinator, workers and gateways, as processes."""

    def __init__(self, folder: str, concurrency: int, gateways: int) -> None:
        program = find_server()
        assert program is not None, "no redis-server or valkey-server here"
        self.stack = contextlib.ExitStack()
        self.server = self.stack.enter_context(LocalServer(program, directory=Path(folder)))
        self.cluster = ClusterProcesses(self.server.url, "benchmarks.streams:graph")
        self.stack.callback(self.cluster.close)
        self.cluster.start(workers=1, concurrency=concurrency)
        self.gateways = [Gateway(self.server.url, self.cluster.prefix) for _ in range(gateways)]
        for gateway in self.gateways:
            self.stack.callback(gateway.close)
        found = re.search(r":(\d+)", self.server.url.removeprefix("redis://"))
        assert found is not None
        self.broker_port = int(found[1])

    async def start(self, count: int, **given: Any) -> list[str]:
        """So many runs; their ids."""
        served, options = self.cluster.client.graph("graph"), {"after_seconds": given.pop("after_seconds", 0)}
        found: list[str] = []
        for begin in range(0, count, 50):
            some = [served.astart(given, **options) for _ in range(min(50, count - begin))]
            found += await asyncio.gather(*some)
        return found


def quantile(values: list[float], part: float) -> float:
    """The value below which that part of them lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


async def many_streams(lab: Lab, runs: int, idle: int, items: int, every_s: float) -> None:
    """The first part."""
    [gateway] = lab.gateways
    before_mb, before = gateway.memory_mb, gateway.connections(lab.broker_port)
    open_streams, all_open = 0, asyncio.Event()

    async def hold(run: str) -> None:
        nonlocal open_streams
        seen = False
        async for _ in events(gateway.port, f"/runs/{run}/stream?stream_mode=custom"):
            if not seen:
                seen, open_streams = True, open_streams + 1
                if open_streams == idle:
                    all_open.set()

    sleeping = await lab.start(idle, items=1, every_s=0, after_seconds=86_400)
    holders = [asyncio.ensure_future(hold(run)) for run in sleeping]
    await asyncio.wait_for(all_open.wait(), 300) if idle else None
    idle_mb, idle_connections = gateway.memory_mb, gateway.connections(lab.broker_port)
    waits: list[float] = []
    most = 0

    async def read(run: str) -> None:
        nonlocal most
        count = 0
        async for event, _, data in events(gateway.port, f"/runs/{run}/stream?stream_mode=custom"):
            if event == "custom":
                waits.append(time.time() - json.loads(data)["at"])
                count += 1
                if count == items // 2 and not most:  # once: to look takes this process some 30 ms
                    most = gateway.connections(lab.broker_port)
            if event == "end":
                break
        assert count == items, (run, count)

    begins = time.time() + _GATHER_S
    spoken = await lab.start(runs, items=items, every_s=every_s, begins=begins)
    readers = [asyncio.ensure_future(read(run)) for run in spoken]
    late_s = max(0.0, time.time() - begins)
    await asyncio.gather(*readers)
    took_s = time.time() - begins
    print(f"{runs} runs x {items} items every {every_s:g} s, each read by one client; {idle} idle streams beside")
    print(f"  writer to client: p50 {1000 * quantile(waits, 0.5):.1f} ms, p99 {1000 * quantile(waits, 0.99):.1f} ms")
    print(f"  {len(waits)} items in {took_s:.1f} s, load average {os.getloadavg()[0]:.1f}", end="")
    print(f"; the runs began {late_s:.1f} s before their readers" if late_s else "")
    print(f"  gateway's connections to the broker: {before}, {idle_connections} idle, {most} busy")
    per_stream = 1024 * (idle_mb - before_mb) / max(1, idle)
    print(f"  gateway's memory: {before_mb:.0f} MB, {idle_mb:.0f} MB idle ({per_stream:.1f} KB a stream), ", end="")
    print(f"{gateway.memory_mb:.0f} MB at the end")
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)


async def killed(lab: Lab, readers: int, runs: int, items: int, every_s: float) -> None:
    """The second part."""
    first, second = lab.gateways
    started = await lab.start(runs, items=items, every_s=every_s)
    back = middle = 0
    half = asyncio.Event()

    async def read(run: str) -> list[int]:
        nonlocal back, middle
        found: list[int] = []
        last: str | None = None
        port = first.port
        for _ in range(_TRIES):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async for event, id_, data in events(port, f"/runs/{run}/stream?stream_mode=custom", last):
                    last = id_ or last
                    if event == "custom":
                        found.append(json.loads(data)["n"])
                        if len(found) == items // 2:
                            middle += 1
                            if middle == readers // 2:
                                half.set()
                    if event == "end":
                        return found
            if port == first.port:
                port, back = second.port, back + 1
            await asyncio.sleep(_REST_S)
        raise AssertionError(f"a reader of run {run} did not come to its end")

    tasks = [asyncio.ensure_future(read(started[n % runs])) for n in range(readers)]
    await half.wait()
    os.kill(first.pid, signal.SIGKILL)
    found = await asyncio.gather(*tasks)
    wrong = [each for each in found if each != list(range(items))]
    print(f"{readers} readers of {runs} runs x {items} items, their gateway killed in the middle")
    print(f"  {back} came back to another gateway; {readers - len(wrong)} of {readers} have read the log and no more")
    assert not wrong, f"{len(wrong)} readers have not: {wrong[0]}"


def main() -> int:
    """0; AssertionError if a reader has read something else than the log."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--every-s", type=float, default=1.0)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for gateways, part in (
        (1, lambda lab: many_streams(lab, options.runs, options.idle, options.items, options.every_s)),
        (2, lambda lab: killed(lab, options.readers, 50, options.items, options.every_s / 2)),
    ):
        with tempfile.TemporaryDirectory() as folder:
            lab = Lab(folder, max(options.runs, 50) + 50, gateways)
            with lab.stack:
                asyncio.run(part(lab))
    return 0


if __name__ == "__main__":
    sys.exit(main())
