"""Metadata of threads: noted by a client, with a run on the thread or without, and kept through what runs do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.talk import Talk, program

from drumline_protocol.errors import InvalidRequest, ThreadExists, UnknownThread
from drumline_protocol.failure import rebuild
from drumline_protocol.messages import CancelRun, DescribeThread


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


def describe(talk: Talk, answer: str, metadata: dict[str, Any], if_there: str = "change", thread: str = "t") -> Any:
    talk.say(DescribeThread(answer, thread, metadata, if_there))
    talk.settle()
    end = talk.end(answer)
    assert end is not None
    return None if end.error is None else rebuild(end.error)


def test_a_thread_is_made_before_any_run(talk: Talk) -> None:
    assert describe(talk, "a1", {"title": "x"}, "refuse") is None
    head = talk.head()
    assert (head.status, head.metadata, head.head) == ("idle", {"title": "x"}, "") and head.created_ms
    assert talk.broker.list_threads(0, 0, 10) == [("t", head.updated_ms)]
    talk.ask("r1", {"l": ["i"]}, config={"metadata": {"graph_id": "g"}})
    talk.whole("r1", "a", "b")
    assert talk.head().metadata == {"title": "x", "graph_id": "g"}


def test_one_that_is_there_is_refused_or_left(talk: Talk) -> None:
    assert describe(talk, "a1", {"title": "x"}, "leave") is None
    assert isinstance(describe(talk, "a2", {"title": "y"}, "refuse"), ThreadExists)
    assert describe(talk, "a3", {"title": "z"}, "leave") is None
    assert talk.head().metadata == {"title": "x"}


def test_one_that_is_not_there_is_not_changed(talk: Talk) -> None:
    assert isinstance(describe(talk, "a1", {"title": "x"}), UnknownThread)
    assert talk.broker.list_threads(0, 0, 10) == []
    assert isinstance(describe(talk, "a2", {}, "perhaps"), InvalidRequest)
    assert isinstance(describe(talk, "a3", {}, "leave", thread="x" * 5000), InvalidRequest)


def test_a_busy_thread_keeps_what_is_noted_when_its_run_ends(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    assert describe(talk, "a1", {"title": "x"}) is None
    assert talk.head().status == "busy" and talk.head().metadata["title"] == "x"
    talk.whole("r1", "a", "b")
    head = talk.head()
    assert (head.status, head.metadata["title"]) == ("idle", "x")


def test_so_does_one_whose_run_another_coordinator_has_begun(talk: Talk) -> None:
    """The new owner has not read the run yet: it must, before it notes what the run will write again."""
    talk.ask("r1", {"l": ["i"]})
    talk.lease()
    talk.say(DescribeThread("a1", "t", {"title": "x"}))
    talk.answer("r1", "a")  # it comes in the same batch
    assert describe(talk, "a2", {"n": 1}) is None
    talk.answer("r1", "b")
    assert talk.head().status == "idle"
    assert {key: talk.head().metadata[key] for key in ("title", "n")} == {"title": "x", "n": 1}


def test_the_same_message_twice_is_answered_once(talk: Talk) -> None:
    talk.say(DescribeThread("a1", "t", {"n": 1}, "refuse"))
    talk.say(DescribeThread("a1", "t", {"n": 1}, "refuse"))
    talk.settle()
    end = talk.end("a1")
    assert end is not None and end.error is None


def test_a_cancel_may_take_back_what_the_run_has_added(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    before = talk.history()
    for run, takes_back in (("r2", True), ("r3", False)):
        talk.ask(run, {"l": ["j"]})
        talk.answer(run, "c")
        talk.say(CancelRun(run, "stop", takes_back))
        talk.settle()
        assert talk.status(run) == "cancelled"
        assert (talk.history() == before) == takes_back
        assert talk.head().status == "idle"
