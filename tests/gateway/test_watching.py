"""Many readers of many logs by one read: each gets every entry once, in order, however slow and however late it is."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from tests.transport.test_logs_reader import Writer
from tests.transport.test_real_servers import clients

from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline_gateway import watching as module
from drumline_gateway.watching import WatchedLogReader, Watching
from drumline_protocol.errors import NoBroker
from drumline_transport import connect
from drumline_transport.local_server import LocalServer


class Link:
    """As much of a cluster's link as is used."""

    url = "redis://test"

    def __init__(self, broker: Any) -> None:
        self.opens: Any = None
        self._broker = broker

    def broker(self) -> Any:
        return self._broker

    def read_logs_by(self, opens: Any) -> None:
        self.opens = opens


@asynccontextmanager
async def watching(broker: Any) -> AsyncIterator[Watching]:
    made: Any = Watching(SimpleNamespace(link=Link(broker)))  # type: ignore[arg-type]
    await made.open()
    try:
        yield made
    finally:
        await made.aclose()


async def facts_until(reader: Any, last: int, after: str = "0-0", *, pause: float = 0.0) -> list[int]:
    """The numbers of the facts behind `after`, up to `last`."""
    found: list[int] = []
    while not found or found[-1] < last:
        for entry in await reader.read(after, 7, 1000):
            found.append(entry.first)
            after = entry.id
        if pause:
            await asyncio.sleep(pause)
    await reader.close()
    return found


async def write(writer: Writer, *names: tuple[int, str]) -> None:
    await asyncio.to_thread(writer.write, *names)


def test_readers_from_anywhere_get_every_entry_once(real_backend: Any) -> None:
    writer, dice = Writer(real_backend.connect()), random.Random(5)

    async def main() -> None:
        async with watching(real_backend.connect()) as watched:
            names = [(number % 3, f"r{number}") for number in range(6)]
            for name in names:
                await write(writer, *[name] * 20)
            readers = []
            for number in range(60):
                name = dice.choice(names)
                reader = watched.reader(*name)
                behind = dice.choice([0, 0, 5, 13, 20])
                epoch = writer.leases[name[0]].epoch
                after = f"{epoch}-{behind}" if behind else "0-0"
                readers.append((behind, asyncio.create_task(facts_until(reader, 60, after))))
                if number % 10 == 0:
                    await write(writer, *names)
            await write(writer, *names * 34)
            for behind, task in readers:
                assert await task == list(range(behind + 1, 61))
            assert watched.watched == 0

    asyncio.run(main())


def test_a_slow_reader_loses_nothing_and_keeps_nobody(
    real_backend: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BUFFER_ENTRIES_MAX", 3)
    writer = Writer(real_backend.connect())
    stood_back: list[Any] = []
    genuine = WatchedLogReader.stand_back

    def stand_back(self: Any) -> None:
        stood_back.append(self)
        genuine(self)

    monkeypatch.setattr(WatchedLogReader, "stand_back", stand_back)

    async def main() -> None:
        async with watching(real_backend.connect()) as watched:
            slow, fast = watched.reader(0, "r"), watched.reader(0, "r")
            await write(writer, (0, "r"))
            first = await slow.read("0-0", 10, 1000)
            attached = asyncio.create_task(slow.read(first[0].id, 10, 1000))
            quick = asyncio.create_task(facts_until(fast, 50))
            await write(writer, (0, "r"))
            (second,) = await attached
            for _ in range(48):
                await write(writer, (0, "r"))
            assert await quick == list(range(1, 51))
            assert slow in stood_back
            assert await facts_until(slow, 50, second.id) == list(range(3, 51))

    asyncio.run(main())


def test_what_is_on_its_way_for_who_has_gone_makes_no_hole(real_backend: Any) -> None:
    """A reader goes and another comes further back, while a batch for the first is handed over."""
    writer = Writer(real_backend.connect())

    async def main() -> None:
        async with watching(real_backend.connect()) as watched:
            await write(writer, *[(0, "r")] * 6)
            entries = await watched.catch_up((0, "r"), "0-0", 10)
            reader = watched.reader(0, "r")
            waiting = asyncio.create_task(reader.read(entries[5].id, 10, 60_000))
            while not watched.watched:
                await asyncio.sleep(0)
            await write(writer, (0, "r"))
            assert [entry.first for entry in await waiting] == [7]
            watched._batches.acquire()
            last = await watched.catch_up((0, "r"), entries[5].id, 10)
            again: Any = watched.reader(0, "r")
            await reader.close()
            watched.attach(again, entries[3].id)
            again._since = module.parse(entries[3].id)
            watched._arrived([(0, "r", last)])
            assert await facts_until(again, 7, entries[3].id) == [5, 6, 7]

    asyncio.run(main())


def test_connections_do_not_grow_with_readers(real_backend: Any) -> None:
    writer = Writer(real_backend.connect(name="writer"))

    async def main() -> None:
        async with watching(real_backend.connect()) as watched:
            names = [(number % 8, f"r{number}") for number in range(300)]
            tasks = [asyncio.create_task(facts_until(watched.reader(*name), 1)) for name in names]
            while watched.watched < 300:
                await asyncio.sleep(0.01)
            open_now = await asyncio.to_thread(lambda: clients(real_backend, "logs") + clients(real_backend, "log"))
            assert len(open_now) <= 3 + module.CATCH_UP_MAX
            await write(writer, *names)
            assert await asyncio.gather(*tasks) == [[1]] * 300

    asyncio.run(main())


def test_it_says_seldom_that_nothing_came_once_a_run_is_accepted(
    real_backend: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = Writer(real_backend.connect())

    async def main() -> None:
        async with watching(real_backend.connect()) as watched:
            reader = watched.reader(0, "r")
            assert await reader.read("0-0", 10, 1) == []
            monkeypatch.setattr(module, "QUIET_S", 600.0)
            waiting = asyncio.create_task(reader.read("1-0", 10, 1))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await write(writer, (0, "r"))
            assert [entry.first for entry in await waiting] == [1]
            monkeypatch.setattr(module, "QUIET_S", 0.0)
            assert await reader.read("9-0", 10, 1) == []
            await reader.close()

    asyncio.run(main())


def test_a_broker_that_stays_away_is_told(monkeypatch: pytest.MonkeyPatch, own_server: LocalServer) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    broker = connect(own_server.url, prefix="watch", create=True, patience_s=0.1)

    async def main() -> None:
        async with watching(broker) as watched:
            waiting = asyncio.create_task(watched.reader(0, "r").read("0-0", 1, 60_000))
            while not watched.watched:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(own_server.kill)
            with pytest.raises(NoBroker):
                await waiting

    asyncio.run(main())
    broker.close()


def test_closing_ends_the_waits_and_a_dropped_reader_leaves(real_backend: Any) -> None:
    async def main() -> None:
        async with watching(real_backend.connect()) as watched:
            dropped = watched.reader(0, "dropped")
            assert await dropped.read("0-0", 1, 1) == []
            assert watched.watched == 1
            await asyncio.to_thread(dropped.release)
            while watched.watched:
                await asyncio.sleep(0)
            waiting = asyncio.create_task(watched.reader(0, "r").read("0-0", 1, 60_000))
            while not watched.watched:
                await asyncio.sleep(0)
        with pytest.raises(NoBroker, match="closing"):
            await waiting

    asyncio.run(main())


def test_streams_of_a_cluster_read_through_it() -> None:
    """Every stream of the client, on that loop, is the same as without."""
    builder: Any = StateGraph(dict)  # type: ignore[type-var]
    builder.add_node("a", lambda state: {"n": state["n"] + 1})
    builder.add_node("b", lambda state: {"n": state["n"] * 2})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    with local_cluster({"g": builder.compile()}) as cluster:

        async def main() -> None:
            watched = Watching(cluster)
            run_id = await cluster.graph("g").astart({"n": 1})
            plain = [item async for item in cluster.ajoin(run_id, stream_mode=["values", "updates"])]
            await watched.open()
            streams = [cluster.ajoin(run_id, stream_mode=["values", "updates"]) for _ in range(5)]
            for stream in streams:
                assert [item async for item in stream] == plain
            live = cluster.graph("g").astream({"n": 1}, stream_mode=["values", "updates"])
            assert [item async for item in live] == plain
            assert await cluster.aresult(run_id) == {"n": 4}
            del streams, stream, live
            gc.collect()
            await asyncio.sleep(0)
            assert watched.watched == 0
            await watched.aclose()

        asyncio.run(main())
