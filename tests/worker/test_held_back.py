"""What a worker holds back for partitions that cannot be reached: in order, while the others get what is theirs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drumline_protocol.codec import Codec
from drumline_transport.errors import PartlyAway
from drumline_worker import held_back
from drumline_worker.held_back import HeldBack
from drumline_worker.outbox import Batch, Execution, Outbox
from drumline_worker.sender import Sender
from drumline_worker.table import Table

LIMIT_S = 10


class Broker:
    """Stores what is published, but for partitions that are away."""

    def __init__(self, *away: int) -> None:
        self.away = set(away)
        self.stored: list[tuple[int, bytes]] = []
        self.blobs: list[str] = []
        self.done: list[str] = []

    def put_blobs(self, blobs: list[tuple[int, str, bytes]]) -> None:
        self.blobs += [name for p, name, _ in blobs if p not in self.away]
        self._refuse({p for p, _, _ in blobs})

    def publish(self, entries: list[tuple[int, str, bytes]], done: list[tuple[str, str]]) -> None:
        self.stored += [(p, data) for p, _, data in entries if p not in self.away]
        self.done += [entry for _, entry in done if int(entry.partition("/")[0]) not in self.away]
        self._refuse({p for p, _, _ in entries})

    def _refuse(self, partitions: set[int]) -> None:
        if gone := partitions & self.away:
            raise PartlyAway("redis+cluster://x", "gone", frozenset(gone))


class Bed:
    def __init__(self, *away: int) -> None:
        broker: Any = Broker(*away)
        self.broker = broker
        self.outbox = Outbox(Codec())
        self.table = Table(8, self.outbox)
        self.ended = threading.Event()
        self.sender = Sender(broker, self.outbox, self.table, self.ended)

    def execution(self, p: int, number: int = 1) -> Execution:
        execution = Execution("default", f"{p}/{number}-0", p, f"run{p}", f"task{p}{number}", 1, "w", "token", "node")
        self.table.add(execution)
        return execution

    def send(self) -> None:
        self.sender.gather()
        self.sender.send()


def test_what_is_for_others_is_sent_and_their_slots_are_free() -> None:
    bed = Bed(1)
    for p in (0, 1, 2):
        execution = bed.execution(p)
        execution.blobs = [(f"blob{p}", b"large")]
        bed.outbox.answer(execution, b"answer %d" % p)
    bed.send()
    assert bed.broker.stored == [(0, b"answer 0"), (2, b"answer 2")]
    assert (bed.broker.blobs, bed.broker.done) == (["blob0", "blob2"], ["0/1-0", "2/1-0"])
    assert len(bed.table) == 1, "what waits is held, so its lease is renewed"
    assert bed.sender.held_back and bed.sender.batch is None


def test_what_waits_goes_first_when_its_partition_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeldBack, "wait_s", 0.0)
    bed = Bed(1)
    for number, p in enumerate((1, 0, 1)):
        bed.outbox.answer(bed.execution(p, number), b"%d" % number)
        bed.send()
    assert bed.broker.stored == [(0, b"1")]
    bed.broker.away.clear()
    # Not before it is tried again, whatever comes meanwhile
    monkeypatch.setattr(HeldBack, "wait_s", LIMIT_S)
    bed.outbox.answer(bed.execution(1, 9), b"9")
    bed.send()
    assert bed.broker.stored == [(0, b"1")]
    monkeypatch.setattr(HeldBack, "wait_s", 0.0)
    bed.send()
    assert bed.broker.stored == [(0, b"1"), (1, b"0"), (1, b"2"), (1, b"9")]
    assert bed.broker.done == ["0/1-0", "1/0-0", "1/2-0", "1/9-0"]
    assert not bed.sender.held_back and len(bed.table) == 0


def test_the_one_that_sends_hears_of_more_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeldBack, "wait_s", LIMIT_S)
    bed = Bed(1)
    bed.outbox.answer(bed.execution(1), b"held")
    sending = threading.Thread(target=bed.sender.run, daemon=True)
    sending.start()
    freed = threading.Event()
    finish = bed.table.finish

    def finished(execution: Execution) -> None:
        finish(execution)
        freed.set()

    monkeypatch.setattr(bed.table, "finish", finished)
    while not bed.sender.held_back:
        assert sending.is_alive()
    bed.outbox.answer(bed.execution(0), b"other")
    assert freed.wait(LIMIT_S / 2), "it did not wait for the time at which the first is tried again"
    assert bed.broker.stored == [(0, b"other")]
    bed.ended.set()
    bed.outbox.close()
    sending.join(LIMIT_S)
    assert not sending.is_alive()


def test_no_more_is_taken_in_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_back, "HELD_BYTES_MAX", 100)
    held = HeldBack()
    held.part(Batch([(1, "r", b"x" * 60)]), {1})
    assert not held.is_full
    held.part(Batch([(1, "r", b"x" * 60)]))
    assert held.is_full
