"""Threads that hold what may go are found by a keeper, and cut by their partition, unless somebody has them."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from tests.coordinator.talk import Talk, program

from drumline_coordinator.retention_sweep import RetentionSweep
from drumline_coordinator.service import CoordinatorSettings
from drumline_coordinator.troubles import Troubles
from drumline_protocol import wire
from drumline_protocol.errors import InvalidRequest, ThreadBusy
from drumline_protocol.failure import rebuild
from drumline_protocol.limits import RETENTION_REST_MS, RETENTION_SWEEP_MS, RETENTION_THREADS_MAX
from drumline_protocol.messages import NO_ANSWER, DescribeThread, PruneThread
from drumline_protocol.retention import Retention

DAY = 86_400


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()}, retention=Retention(max_checkpoints=2))


class Keeper:
    """The keeper's look at threads, turn by turn."""

    def __init__(self, talk: Talk, retention: Retention | None = None) -> None:
        self.talk = talk
        settings = CoordinatorSettings(retention=retention)
        troubles = Troubles(logging.getLogger("test"), time.monotonic)
        self.sweep = RetentionSweep(talk.broker, talk.apps, settings, troubles)
        self.sweep.step([0], talk.server.now_ms)

    def asks(self, ms: int = RETENTION_SWEEP_MS) -> list[str]:
        """The threads that it asks to be cut in the turns after so much time."""
        self.talk.server.now_ms += ms
        before = len(self.talk.entries())
        for _ in range(5):
            self.sweep.step([0], self.talk.server.now_ms)
        found = [wire.decode(self.talk.codec, entry.data) for entry in self.talk.entries()[before:]]
        assert all(isinstance(message, PruneThread) and message.run == NO_ANSWER for message in found)
        self.talk.settle()
        return sorted(message.thread for message in found)


def test_a_keeper_finds_what_is_too_much_and_the_partition_cuts_it(talk: Talk) -> None:
    keeper = Keeper(talk, Retention(max_checkpoints=2))
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    before = talk.history()
    assert keeper.asks() == ["t"]
    assert talk.history() == before[:2]
    assert keeper.asks() == []  # nothing has changed
    talk.ask("r2", {"l": ["j"]})
    talk.whole("r2", "c", "d")
    assert keeper.asks(RETENTION_REST_MS - 1) == []  # somebody may read its last run
    assert keeper.asks() == ["t"]
    assert len(talk.history()) == 2


def test_what_is_too_old_goes_when_it_is(talk: Talk) -> None:
    rules = Retention(max_age=DAY, keep="interrupted")
    talk.partition._retention = rules
    keeper = Keeper(talk, rules)
    talk.ask("r1", {"l": ["i"]}, "done")
    talk.whole("r1", "a", "b")
    talk.ask("r2", {"l": ["i"]}, "asks")
    talk.question("r2")
    assert keeper.asks() == []
    assert keeper.asks(DAY * 1000) == ["asks", "done"]
    assert set(talk.server.partition(0).threads) == {"asks"}
    assert len(talk.history("asks")) == 1
    assert keeper.asks(DAY * 1000) == []  # nothing more can go


def test_a_thread_that_a_run_holds_or_waits_for_is_left_alone(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    rows = len(talk.broker.read_history(0, "t"))
    talk.ask("r2", {"l": ["j"]})
    talk.say(PruneThread(NO_ANSWER, "t", {"max_checkpoints": 1}))
    talk.say(PruneThread("answer", "t", {"max_checkpoints": 1}))
    talk.settle()
    assert len(talk.broker.read_history(0, "t")) >= rows
    end = talk.end("answer")
    assert end is not None
    error = rebuild(end.error)
    assert isinstance(error, ThreadBusy) and "r2" in str(error)
    talk.whole("r2", "c", "d")
    assert talk.status("r2") == "done"


def test_rules_that_are_none_are_refused(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    talk.say(PruneThread("answer", "t", {"max_age": -1}))
    talk.settle()
    end = talk.end("answer")
    assert end is not None and isinstance(rebuild(end.error), InvalidRequest)
    assert len(talk.history()) == 4


def test_a_thread_is_cut_when_its_last_commit_was_answered(talk: Talk) -> None:
    """It comes before the broker has answered for the end of the run; and twice, as clients may send it."""
    talk.ask("r1", {"l": ["i"]})
    talk.answer("r1", "a")
    [task] = talk.tasks()
    edges = talk.apps.programs["g"].nodes[task.node].edges
    talk.say(talk.result(task, "r1", writes=[["l", ["b"]], *([channel, value] for channel, value in edges)]))
    first = talk.partition.handle(talk.entries(), float(talk.server.now_ms))
    talk.say(PruneThread("answer", "t", {"max_checkpoints": 1}))
    talk.say(PruneThread("answer", "t", {"max_checkpoints": 1}))
    second = talk.partition.handle(talk.entries()[1:], float(talk.server.now_ms))
    assert first is not None and second is not None and talk.partition.awaits_reply
    assert not second.history_dropped
    talk.apply(first)
    talk.apply(second)
    assert talk.partition.has_more
    talk.settle()
    assert talk.status("answer") == "done"
    assert [found.checkpoint.cells["l"] for found in talk.history()] == [["i", "a", "b"]]


def test_a_run_begins_behind_a_cut(talk: Talk) -> None:
    """What it reads of the thread is what the cut has left."""
    talk.ask("r1", {"l": ["x" * 30_000]})
    talk.whole("r1", "a", "b")
    talk.say(PruneThread("answer", "t", {"max_checkpoints": 1}))
    talk.ask("r2", {"l": ["j"]}, settle=False)
    talk.settle()
    talk.whole("r2", "c", "d")
    assert talk.status("r2") == "done"
    assert talk.history()[0].checkpoint.cells["l"][1:] == ["a", "b", "j", "c", "d"]


def test_a_turn_looks_at_a_bounded_slice(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    part = talk.server.partition(0)
    for n in range(RETENTION_THREADS_MAX * 2 + 5):
        part.changed[f"t{n}"] = 1
    looked: list[str] = []
    keeper = Keeper(talk, Retention(max_checkpoints=2))
    monkeypatch.setattr(keeper.sweep, "_look", lambda _p, thread, _now: looked.append(thread))
    talk.server.now_ms += RETENTION_SWEEP_MS
    counts = []
    for _ in range(4):
        keeper.sweep.step([0], talk.server.now_ms)
        counts.append(len(looked))
    assert counts == [50, 100, 105, 105] and len(set(looked)) == 105


def test_a_thread_with_its_own_rules_is_found_where_nothing_bounds_others(talk: Talk) -> None:
    talk.partition._retention = None
    keeper = Keeper(talk)
    for run, thread in (("r1", "own"), ("r2", "other")):
        talk.ask(run, {"l": ["i"]}, thread)
        talk.whole(run, "a", "b")
    rules: dict[str, Any] = Retention(max_checkpoints=1).as_dict()
    talk.say(PruneThread("answer", "own", rules, own=True))
    talk.settle()
    assert keeper.asks() == []
    assert keeper.asks(RETENTION_SWEEP_MS * 10) == ["own"]
    assert (len(talk.history("own")), len(talk.history("other"))) == (1, 4)


def test_a_thread_on_which_no_run_was_goes_by_its_own_rules(talk: Talk) -> None:
    keeper = Keeper(talk)
    for thread in ("empty", "kept"):
        talk.say(DescribeThread(f"made {thread}", thread, {}, "leave"))
        talk.settle()
    for thread, keep in (("empty", "none"), ("kept", "latest")):
        talk.say(PruneThread(f"rules {thread}", thread, {"max_age": 600, "keep": keep}, own=True))
        talk.settle()
        assert talk.status(f"rules {thread}") == "done"
    assert keeper.asks(500_000) == []
    assert keeper.asks(200_000) == ["empty"]
    assert list(talk.server.partition(0).threads) == ["kept"]


@pytest.mark.parametrize("again", [False, True])
def test_a_thread_gets_rules_while_a_run_holds_it(talk: Talk, again: bool) -> None:
    talk.ask("r1", {"l": ["i"]})
    if again:
        talk.lease()
    talk.say(PruneThread("rules", "t", {"max_checkpoints": 1}, own=True))
    talk.settle()
    assert talk.status("rules") == "done" and talk.head().retention == {"max_checkpoints": 1, "keep": "latest"}
    talk.whole("r1", "a", "b")
    assert talk.head().retention == {"max_checkpoints": 1, "keep": "latest"} and talk.head().status == "idle"
