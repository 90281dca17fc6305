"""What a partition keeps in memory of its runs, and what it reads when they come back."""

from __future__ import annotations

import pytest
from tests.coordinator.seat import Seat
from tests.coordinator.test_dispatch import chain
from tests.coordinator.test_run import START, graph

from drumline_coordinator import staging
from drumline_protocol.limits import CELL_INLINE_BYTES_MAX, IDLE_RUN_MS
from drumline_transport.memory_streams import Stream, parse_id

BIG = "x" * (CELL_INLINE_BYTES_MAX + 1)


@pytest.fixture
def seat() -> Seat:
    return Seat({"g": graph((START, "a"), ("a", "b"))})


def test_an_idle_run_leaves_memory_and_comes_back_with_what_is_heard(seat: Seat) -> None:
    (task,) = seat.start(input={"l": [BIG]})
    runs = seat.partition._runs
    now = float(seat.server.now_ms)
    seat.partition.rest(now)
    assert "r1" in runs.loaded
    seat.partition.rest(now + 2 * IDLE_RUN_MS)
    assert not runs.loaded
    seat.say(seat.result(task))
    seat.settle()
    (after,) = seat.tasks()
    assert after.node == "b" and "r1" in runs.loaded
    # While a commit is on its way the record is behind: nobody lets go
    seat.partition.answered -= 1
    seat.partition.rest(now + 9 * IDLE_RUN_MS)
    assert "r1" in runs.loaded


def test_a_new_owner_reads_the_head_and_not_the_whole_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "HEAD_AFTER_BYTES_MIN", 4_000)
    seat = Seat({"g": chain(40)})
    (task,) = seat.start(input={"l": [BIG]})
    for _ in range(30):
        seat.say(seat.result(task))
        seat.settle()
        (task,) = seat.tasks()
    read: list[int] = []
    genuine = seat.broker.load_log
    monkeypatch.setattr(seat.broker, "load_log", lambda *a: read.append(len(genuine(*a))) or genuine(*a))
    seat.lease()
    seat.say(seat.result(task))
    seat.settle()
    assert len(read) == 1 and read[0] < 25 < len(genuine(0, "r1"))
    assert seat.end() is None and seat.tasks()


@pytest.mark.parametrize("gone", ["all", "the head's entry and what follows"])
def test_a_run_whose_log_is_gone_does_not_go_back_to_its_head(monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    # Given a run with a head, a step behind it, and a task that a worker has in hand
    monkeypatch.setattr(staging, "HEAD_AFTER_BYTES_MIN", 4_000)
    seat = Seat({"g": chain(40)})
    (task,) = seat.start(input={"l": [BIG]})
    for _ in range(30):
        seat.say(seat.result(task))
        seat.settle()
        (task,) = seat.tasks()
    pool = seat.server.pool("default").stream
    in_hand = pool.last
    # When somebody deletes the log, and another coordinator takes over
    logs = seat.server.partition(0).logs
    at = parse_id(seat.broker.load_run(0, "r1")["head_at"].decode())
    assert logs["r1"].last > at
    kept = [] if gone == "all" else [row for row in logs["r1"].after((0, 0)) if row[0] < at]
    logs["r1"] = Stream()
    for entry_id, data in kept:
        logs["r1"].append(entry_id, data)
    seat.lease()
    seat.say(seat.result(task))
    seat.settle()
    # Then the run ends, and nothing is left that a worker would take, or a keeper look at for ever
    end = seat.end()
    assert end is not None and end.status == "failed"
    assert seat.tasks() == [] and pool.get(in_hand) is None


def test_a_run_that_cannot_go_on_leaves_nothing_that_a_commit_on_its_way_brings(seat: Seat) -> None:
    seat.start()
    runs = seat.partition._runs
    here = runs.loaded["r1"]
    here.digests["sent:1"] = "digest"  # by a commit that has not been applied yet, and so is what it says
    here.last += 3
    ruin = runs.ruin("r1", ValueError("no"))
    assert "sent:1" in ruin.attempts and ruin.last == here.last
