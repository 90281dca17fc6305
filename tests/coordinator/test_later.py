"""Runs that are to begin later, as a partition serves them: accepted, asleep, begun when their timer rings."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.talk import Talk, program

from drumline_coordinator.alarms import begin_member, timer_of
from drumline_protocol.errors import InvalidRequest, RunCancelled, ThreadBusy
from drumline_protocol.facts import RunStarted
from drumline_protocol.limits import AFTER_MS_MAX
from drumline_protocol.messages import CancelRun, DeleteRun, DeleteThread, PruneThread, RunRequest


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


def timers(talk: Talk) -> dict[str, int]:
    return dict(talk.server.partition(0).timers)


def ring(talk: Talk, run: str) -> None:
    message = timer_of(begin_member(run))
    assert message is not None
    talk.say(message)
    talk.settle()


def nothing_waits(talk: Talk) -> bool:
    return not timers(talk) and talk.broker.read_queue(0) == []


def test_a_run_is_accepted_and_begins_when_its_time_has_come(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]}, after_ms=5000)
    assert talk.status("r1") == "queued" and talk.tasks() == []
    assert [type(fact) for fact in talk.facts("r1")] == [RunStarted]
    assert timers(talk) == {begin_member("r1"): talk.server.now_ms + 5000}
    assert [run for run, ended in talk.broker.runs_of_thread(0, "t")] == ["r1"]
    ring(talk, "r1")
    assert talk.status("r1") == "open" and nothing_waits(talk)
    talk.whole("r1", "a", "b")
    assert talk.status("r1") == "done" and talk.history()[0].checkpoint.cells["l"] == ["i", "a", "b"]
    assert [type(fact) for fact in talk.facts("r1")].count(RunStarted) == 1


def test_one_on_no_thread_begins_under_another_owner(talk: Talk) -> None:
    talk.say(RunRequest("r1", "g", talk.codec.box({"l": ["i"]}), after_ms=1000))
    talk.settle()
    assert talk.status("r1") == "queued"
    talk.lease()
    ring(talk, "r1")
    talk.lease()
    talk.whole("r1", "a", "b")
    assert talk.status("r1") == "done" and nothing_waits(talk)


def test_its_thread_is_looked_at_when_it_begins(talk: Talk) -> None:
    talk.ask("late", {"l": ["late"]}, after_ms=1000)
    talk.ask("refused", {"l": ["no"]}, after_ms=1000, strategy="reject")
    talk.ask("r1", {"l": ["i"]})
    assert talk.status("r1") == "open"  # one that sleeps is in nobody's way
    ring(talk, "late")
    ring(talk, "refused")
    assert talk.status("late") == "queued" and talk.status("refused") == "failed"
    assert isinstance(talk.error("refused"), ThreadBusy)
    talk.lease()
    talk.whole("r1", "a", "b")
    talk.whole("late", "c", "d")
    assert talk.history()[0].checkpoint.cells["l"] == ["i", "a", "b", "late", "c", "d"] and nothing_waits(talk)


@pytest.mark.parametrize("owner", ["same", "another"])
def test_one_that_sleeps_is_cancelled_deleted_or_goes_with_its_thread(talk: Talk, owner: str) -> None:
    talk.ask("r0", {"l": ["i"]})
    talk.whole("r0", "a", "b")
    for run in ("r1", "r2", "r3"):
        talk.ask(run, {"l": ["i"]}, after_ms=1000)
    if owner == "another":
        talk.lease()
    talk.say(PruneThread("p", "t", {"max_checkpoints": 1}))
    talk.settle()
    assert isinstance(talk.error("p"), ThreadBusy)
    talk.say(CancelRun("r1", "enough"))
    talk.say(DeleteRun("r2"))
    talk.settle()
    assert talk.status("r1") == "cancelled" and isinstance(talk.error("r1"), RunCancelled)
    assert talk.broker.load_run(0, "r2") == {} and list(timers(talk)) == [begin_member("r3")]
    talk.say(DeleteThread("d", "t"))
    talk.settle()
    assert talk.broker.load_run(0, "r3") == {} and nothing_waits(talk)
    for run in ("r1", "r2", "r3"):  # what was on its way
        ring(talk, run)
    assert talk.tasks() == [] and nothing_waits(talk)


@pytest.mark.parametrize("after", [-1, AFTER_MS_MAX + 1])
def test_a_time_that_cannot_be_is_refused(talk: Talk, after: Any) -> None:
    talk.ask("r1", {"l": ["i"]}, after_ms=after)
    assert talk.status("r1") in ("failed", "") and nothing_waits(talk)
    if after > 0:
        assert isinstance(talk.error("r1"), InvalidRequest)
