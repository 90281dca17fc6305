"""Rules of a worker's parts that nobody sees until they are broken: room, bursts, budgets, renewals, the last take."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from tests.worker.stand import Stand

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_transport.broker import Delivery
from drumline_worker import outbox as outbox_module
from drumline_worker.outbox import Execution, Outbox
from drumline_worker.registry import Registry
from drumline_worker.service import Worker, WorkerSettings

LIMIT_S = 20
CODEC = Codec()


def execution() -> Execution:
    return Execution("default", "1-1", 0, "run", "t1", 1, "w", "token")


def test_a_writer_goes_on_as_soon_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "SEND_BUFFER_BYTES_MAX", 10)
    outbox, one = Outbox(CODEC), execution()
    outbox.event(one, b"more than ten")
    written = threading.Event()

    def write() -> None:
        outbox.event(one, b"next")
        written.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert not written.wait(0.05), "there is no room"
    assert outbox.take_batch() is not None
    assert written.wait(5), "not after the half minute that a writer may wait"
    writer.join(LIMIT_S)


def test_a_writer_goes_on_when_the_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "SEND_BUFFER_BYTES_MAX", 10)
    outbox, one = Outbox(CODEC), execution()
    outbox.event(one, b"more than ten")
    writer = threading.Thread(target=outbox.event, args=(one, b"next"), daemon=True)
    writer.start()
    outbox.close()
    writer.join(5)
    assert not writer.is_alive()


def test_a_long_burst_becomes_entries_of_bounded_size_and_length() -> None:
    outbox, one = Outbox(CODEC), execution()
    for size in [300_000] * 4 + [1] * 1200:
        outbox.event(one, b"x" * size)
    batch = outbox.take_batch()
    assert batch is not None
    bursts = [wire.decode(CODEC, data) for _, _, data in batch.entries]
    assert all(sum(map(len, burst.items)) <= 512 * 1024 and len(burst.items) <= 512 for burst in bursts)
    assert [burst.n for burst in bursts] == [sum(len(b.items) for b in bursts[:i]) for i in range(len(bursts))]
    assert sum(len(burst.items) for burst in bursts) == 1204


def test_one_event_beyond_the_bound_of_a_burst_goes_alone() -> None:
    outbox, one = Outbox(CODEC), execution()
    for data in (b"a", b"x" * 600_000, b"b"):
        outbox.event(one, data)
    batch = outbox.take_batch()
    assert batch is not None
    assert [len(wire.decode(CODEC, data).items) for _, _, data in batch.entries] == [1, 1, 1]


class Scripted:
    """Of a broker what a worker needs that is given tasks by the test; `take` waits at a gate."""

    def __init__(self, stand: Stand) -> None:
        self._broker: Any = stand.broker
        self.deliveries: list[list[Delivery]] = []
        self.takes = 0
        self.in_take = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.is_let_go = False
        self.renewals: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def take(self, *_args: Any) -> list[Delivery]:
        self.takes += 1
        found = self.deliveries.pop(0) if self.deliveries else []
        self.in_take.release()
        if not self.is_let_go:
            assert self.go_on.acquire(timeout=LIMIT_S)
        return found

    def let_go(self) -> None:
        """No take waits any more: a free thread takes again and again until it hears of the stop."""
        self.is_let_go = True
        self.go_on.release(10)

    def renew(self, _consumer: str, entries: list[tuple[str, str]]) -> set[tuple[str, str]]:
        self.renewals.append(time.monotonic())
        return set(entries)

    def read_ctl(self, _after: str, _block_ms: int) -> list[Any]:
        time.sleep(0.01)
        return []


class Turn:
    """A lock that tells how many wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.waiting = 0

    def __enter__(self) -> None:
        self.waiting += 1
        self._lock.acquire()
        self.waiting -= 1

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()


def serving(stand: Stand, **settings: Any) -> tuple[Scripted, Worker, threading.Thread]:
    broker: Any = Scripted(stand)
    registry = Registry({"g": stand.program})
    worker = Worker(broker, registry, "w", WorkerSettings(**settings))
    worker.runner._turn = Turn()  # type: ignore[assignment]
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    return broker, worker, thread


def delivery(stand: Stand, n: int) -> Delivery:
    return Delivery("default", f"1-{n}", wire.encode(stand.codec, stand.message(n)))


def test_a_thread_that_waited_for_its_turn_takes_nothing_after_the_stop() -> None:
    done = threading.Event()

    def node(_state: Any) -> dict[str, Any]:
        done.set()
        return {"out": 1}

    stand = Stand(node)
    broker, worker, thread = serving(stand, concurrency=4)
    assert broker.in_take.acquire(timeout=LIMIT_S)
    broker.deliveries = [[], []]
    broker.deliveries.insert(0, [delivery(stand, 1)])
    broker.go_on.release()  # the first take brought nothing; the second one brings the task
    assert broker.in_take.acquire(timeout=LIMIT_S)
    broker.go_on.release()
    assert done.wait(LIMIT_S)
    assert broker.in_take.acquire(timeout=LIMIT_S)  # another thread takes; the first one is done and waits its turn
    turn: Any = worker.runner._turn
    deadline = time.monotonic() + LIMIT_S
    while not turn.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    taken = broker.takes
    broker.deliveries = [[delivery(stand, 2)]]
    worker.runner._stopping.set()
    worker.stop()
    broker.let_go()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert broker.takes == taken


def test_a_lease_is_renewed_several_times_before_it_runs_out() -> None:
    go_on = threading.Event()

    def node(_state: Any) -> dict[str, Any]:
        assert go_on.wait(LIMIT_S)
        return {"out": 1}

    stand = Stand(node)
    broker, worker, thread = serving(stand, concurrency=1, task_lease_ms=400)
    broker.deliveries = [[delivery(stand, 1)], [delivery(stand, 1)]]
    for _ in range(10):
        broker.go_on.release()
    deadline = time.monotonic() + LIMIT_S
    while len(broker.renewals) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    lease_s, pauses = 0.4, [b - a for a, b in zip(broker.renewals, broker.renewals[1:], strict=False)]
    assert sorted(pauses)[1] < lease_s / 2, "one of them may be lost or late"
    worker.stop()
    go_on.set()
    broker.let_go()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


# -- what is heard, and what is taken, once -----------------------------------------------------------


def test_what_was_cancelled_once_is_not_cancelled_again() -> None:
    stand = Stand()
    stand.give(1)
    [first] = stand.take()
    stand.cancel(first[0].task)
    assert first[0].cancelled
    stand.give(1, attempt=2)
    [again] = stand.take()
    stand.worker.ear.listen(0)
    assert not again[0].cancelled


def test_who_waited_for_its_turn_while_the_worker_was_stopped_takes_no_more() -> None:
    stand = Stand()
    stand.give(1)
    runner = stand.worker.runner

    class Turn:
        def __enter__(self) -> None:
            runner._stopping.set()

        def __exit__(self, *_exc: object) -> None: ...

    runner._turn = Turn()  # type: ignore[assignment]
    assert runner._next() is None
    assert stand.pending == 0
