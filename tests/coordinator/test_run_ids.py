"""A run id is the key of one request: asked for twice it runs once, and freed it may run again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.seat import Seat
from tests.coordinator.test_run import START, graph

from drumline_protocol.facts import RunFinished, RunStarted
from drumline_protocol.limits import LOG_TTL_S
from drumline_protocol.messages import CancelRun, DeleteRun, RunRequest


@pytest.fixture
def seat() -> Seat:
    return Seat({"g": graph((START, "a"))})


def request(seat: Seat, word: str, run_id: str = "r1", name: str = "g") -> RunRequest:
    return RunRequest(run_id, name, seat.codec.box({"l": [word]}), recorded=("custom",), digest=word)


def started(seat: Seat) -> list[str]:
    """The digests with which runs of this id began, as its log has them."""
    return [fact.digest for fact in seat.facts() if isinstance(fact, RunStarted)]


def finish(seat: Seat) -> None:
    (task,) = seat.tasks()
    seat.say(seat.result(task))
    seat.settle()
    assert seat.end() is not None


@pytest.mark.parametrize(
    "when", ["the same batch", "the next batch", "an unanswered commit", "after the end", "takeover"]
)
def test_who_comes_second_changes_nothing(seat: Seat, when: str) -> None:
    seat.say(request(seat, "first"))
    if when == "the same batch":
        seat.say(request(seat, "second"))
    seat.settle()
    if when == "after the end":
        finish(seat)
    if when == "takeover":
        seat.lease()
    if when == "an unanswered commit":
        finish(seat)
        seat.partition.answered = 0
        seat.server.partitions[0].runs.pop("r1")  # as the broker was when the commits were on their way
    if when != "the same batch":
        before = len(seat.facts())
        seat.say(request(seat, "second"))
        seat.settle()
        assert len(seat.facts()) == before
    assert started(seat) == ["first"], "the second one reads whose run that is, and is told by its own client"


def test_a_request_that_was_rejected_keeps_its_id_too(seat: Seat) -> None:
    seat.say(request(seat, "first", name="nobody's"))
    seat.settle()
    seat.say(request(seat, "second"))
    seat.settle()
    assert started(seat) == ["first"] and not seat.tasks()


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("taken_over", [False, True])
def test_the_id_of_a_deleted_run_is_free(seat: Seat, ended: bool, taken_over: bool) -> None:
    seat.say(request(seat, "first"))
    seat.settle()
    if ended:
        finish(seat)
    seat.say(DeleteRun("r1"))
    seat.settle()
    if taken_over:
        seat.lease()
    seat.say(request(seat, "second"))
    seat.settle()
    assert started(seat) == ["second"]
    finish(seat)
    seat.say(CancelRun("r1"))
    seat.settle()
    assert [fact.status for fact in seat.facts() if isinstance(fact, RunFinished)] == ["done"]


def test_the_id_of_an_expired_run_is_free(seat: Seat) -> None:
    seat.say(request(seat, "first"))
    seat.settle()
    finish(seat)
    seat.server.now_ms += LOG_TTL_S * 1000 + 1
    seat.say(request(seat, "second"))
    seat.settle()
    assert started(seat) == ["second"]
    finish(seat)


def test_a_run_that_has_a_deleted_ones_id_can_fail_cancel_and_be_deleted(seat: Seat) -> None:
    for word in "abc":
        seat.say(request(seat, word))
        seat.settle()
        assert started(seat) == [word]
        message: Any = CancelRun("r1") if word == "b" else DeleteRun("r1")
        seat.say(message)
        seat.settle()
        if word == "b":
            end = seat.end()
            assert end is not None and end.status == "cancelled"
            seat.say(DeleteRun("r1"))
            seat.settle()
        assert seat.facts() == []
