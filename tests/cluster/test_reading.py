"""How much of a log is asked for at once, and how much of it is decoded before the first item is there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.servers import PROGRAMS, Backend, own_server, real_backend

from drumline.cluster.appetite import COUNT_MAX, FIRST_COUNT, READ_BYTES, Appetite
from drumline.cluster.leaving import Canceller
from drumline.cluster.position import Position
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline_transport.broker import LogEntry
from drumline_transport.connection import Connection

__all__ = ["own_server", "real_backend"]

READERS = 20


def entries(*sizes: int) -> list[LogEntry]:
    return [LogEntry(f"1-{number}", number, bytes(size)) for number, size in enumerate(sizes, 1)]


class Fed:
    """In place of a `RunReader`: one item for each entry, and a count of those that were decoded."""

    def __init__(self, last: int) -> None:
        self.after, self.count, self.last = "0-0", 0, last
        self.accepted, self.failure, self.end = True, None, None

    @property
    def ended(self) -> bool:
        return self.count == self.last

    def names_values(self, _entry: LogEntry) -> bool:
        return False

    def feed(self, read: Sequence[LogEntry]) -> list[tuple[Any, Position]]:
        self.count += len(read)
        self.after = read[-1].id
        return [(entry.first, Position(entry.first, 1)) for entry in read]


def write_log(backend: Backend, run_id: str, sizes: Sequence[int]) -> None:
    key = backend.connect()._keys.log(0, run_id)
    for number, size in enumerate(sizes, 1):
        backend.raw("XADD", key, f"1-{number}", "f", number, "d", bytes(size))


def stream_of(broker: Any, run_id: str, fed: Fed, kind: Callable[..., Any] = RunStream) -> Any:
    opener = broker.log_reader if kind is RunStream else broker.alog_reader
    reader: Any = fed
    return kind(
        run_id,
        reader,
        lambda: opener(0, run_id),
        begin=None,
        late=None,
        cancel=None,
        idle=lambda: None,
        canceller=Canceller(),
        in_vain=lambda _waited_ms: False,
    )


# -- the appetite -----------------------------------------------------------------------------------


def test_small_entries_make_it_grow_large_ones_make_it_shrink() -> None:
    appetite = Appetite()
    assert appetite.count == FIRST_COUNT
    for _ in range(5):
        appetite.took(entries(*[100] * appetite.count))
    assert appetite.count == COUNT_MAX
    appetite.took(entries(*[55_000] * 10))
    assert appetite.count == READ_BYTES // 55_064
    appetite.took(entries(16 * 1024 * 1024))
    assert appetite.count == 1
    appetite.took(entries(100))
    assert 1 < appetite.count <= FIRST_COUNT, "and back, step by step"


def test_one_large_entry_among_small_ones_counts() -> None:
    appetite = Appetite()
    appetite.count = COUNT_MAX
    appetite.took(entries(*[100] * 99, 1024 * 1024))
    assert appetite.count <= 4


def test_a_reader_at_the_end_of_a_log_does_not_ask_for_more_and_more() -> None:
    appetite = Appetite()
    for _ in range(100):
        appetite.took(entries(100))
    assert appetite.count == FIRST_COUNT


# -- streams ----------------------------------------------------------------------------------------


def test_the_first_item_comes_before_the_rest_is_decoded(real_backend: Backend) -> None:
    write_log(real_backend, "long", [100] * 3000)
    broker = real_backend.connect()

    fed = Fed(3000)
    stream = stream_of(broker, "long", fed)
    assert (next(stream), fed.count) == (1, 1)
    assert (next(stream), fed.count) == (2, 2)
    assert list(stream) == list(range(3, 3001))

    async def read() -> None:
        fed = Fed(3000)
        stream = stream_of(broker, "long", fed, AsyncRunStream)
        assert (await stream.__anext__(), fed.count) == (1, 1)
        assert [item async for item in stream] == list(range(2, 3001))

    asyncio.run(read())


def test_readers_that_stand_still_cost_redis_little(
    real_backend: Backend, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    """Each has asked and does not read: the whole reply stays in Redis."""
    if real_backend.name not in PROGRAMS:
        pytest.skip("only a server has output buffers")
    write_log(real_backend, "large", [55_000] * 1000)
    broker = real_backend.connect()
    streams = [stream_of(broker, "large", Fed(1000)) for _ in range(READERS)]
    for stream in streams:
        for expected in range(1, FIRST_COUNT + 1):  # so many that the next one makes it read again
            assert next(stream) == expected
    asked, go_on = threading.Semaphore(0), threading.Event()
    receive = Connection.receive

    def stand_still(self: Connection, timeout_s: float) -> Any:
        asked.release()
        go_on.wait(30)
        return receive(self, timeout_s)

    monkeypatch.setattr(Connection, "receive", stand_still)
    threads = [threading.Thread(target=next, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        for _ in streams:
            assert asked.acquire(timeout=10)
        # What a server holds is highest when it has just answered: the sockets take the rest.
        held = max(output_bytes(real_backend) for _ in range(20))
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    record_property("held_bytes", held)
    print(f"{READERS} readers that stand still: {held / 2**20:.1f} MiB in {real_backend.name}")
    assert held < READERS * 2 * READ_BYTES


def output_bytes(backend: Backend) -> int:
    """What waits in Redis for clients to read it."""
    lines = backend.raw("CLIENT", "LIST").decode().splitlines()
    fields = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    return sum(int(client["omem"]) for client in fields)
