"""Runs on threads, as a partition serves them: what is kept, who goes on, who waits, who is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.talk import BIG, Talk, program

from drumline_graph.errors import UnknownInterruptError
from drumline_graph.types import Command
from drumline_protocol.checkpoints import Saved, outcomes
from drumline_protocol.errors import RunCancelled, ThreadBusy
from drumline_protocol.facts import RunStarted
from drumline_protocol.messages import (
    CancelRun,
    DeleteRun,
    DeleteThread,
    RunDamaged,
)


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


def values(saved: list[Saved]) -> list[Any]:
    return [(each.checkpoint.step, each.checkpoint.source, each.checkpoint.cells.get("l")) for each in saved]


def test_a_checkpoint_for_each_superstep_and_the_head_says_where_it_stands(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]}, config={"metadata": {"user": "u"}})
    assert (talk.head().status, talk.head().run) == ("busy", "r1")
    talk.whole("r1", "a", "b")
    found = talk.history()
    assert values(found) == [
        (2, "loop", ["i", "a", "b"]),
        (1, "loop", ["i", "a"]),
        (0, "loop", ["i"]),
        (-1, "input", []),
    ]
    assert [each.checkpoint.parent for each in found] == [*(each.checkpoint.id for each in found[1:]), ""]
    assert [each.is_head for each in found] == [True, False, False, False]
    assert {each.checkpoint.fingerprint for each in found} == {talk.apps.programs["g"].fingerprint}
    assert found[0].checkpoint.metadata == {"user": "u"} == talk.head().metadata
    head = talk.head()
    assert (head.status, head.run, head.graph, head.head) == ("idle", "r1", "g", found[0].checkpoint.id)
    ended = [outcome.output for outcome in outcomes(found[1].pending).values()]
    assert ended == [[("l", ["b"])]]


def test_a_second_run_goes_on_from_the_first(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    talk.lease()
    talk.ask("r2", {"l": ["j"]})
    talk.whole("r2", "c", "d")
    assert talk.history()[0].checkpoint.cells["l"] == ["i", "a", "b", "j", "c", "d"]
    assert [each.checkpoint.step for each in talk.history()] == [6, 5, 4, 3, 2, 1, 0, -1]


def test_other_threads_and_runs_without_one_are_left_alone(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]}, "t")
    talk.whole("r1", "a", "b")
    talk.ask("r2", {"l": ["j"]}, "u")
    talk.whole("r2", "c", "d")
    assert talk.history("u")[0].checkpoint.cells["l"] == ["j", "c", "d"]
    talk.start("r3")
    assert sorted(talk.server.partition(0).threads) == ["t", "u"]


def test_an_answer_goes_to_its_question_also_when_all_was_forgotten(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    question = talk.question("r1")
    assert talk.status("r1") == "paused" == talk.head().status
    talk.lease()
    talk.ask("r2", Command(resume={question: "yes"}))
    assert talk.head().answered == {question: "r2"}
    task = talk.answer("r2", "yes")
    assert (task.node, list(task.answers)) == ("ask", ["yes"])
    assert task.below is not None and task.below.resumes and task.below.answers == {question: "yes"}
    talk.answer("r2", "b")
    assert talk.status("r2") == "done"
    assert talk.history()[0].checkpoint.cells["l"] == ["i", "yes", "b"]


def test_answers_survive_whoever_owns_the_partition(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    question = talk.question("r1")
    talk.ask("r2", Command(resume="yes"))
    [task] = talk.tasks()
    talk.lease()
    talk.say(talk.result(task, "r2", writes=[["l", ["a"]], *map(list, talk.apps.programs["g"].nodes["ask"].edges)]))
    talk.settle()
    [task] = talk.tasks()
    assert task.node == "act" and task.below is not None and task.below.answers == {question: "yes"}


@pytest.mark.parametrize("at_once", [True, False])
def test_fifty_answers_one_wins(talk: Talk, at_once: bool) -> None:
    talk.ask("r1", {"l": ["i"]})
    question = talk.question("r1")
    for n in range(50):
        talk.ask(f"a{n}", Command(resume={question: n}), settle=not at_once)
    talk.settle()
    assert talk.head().run == "a0"
    for n in range(1, 50):
        error = talk.error(f"a{n}")
        assert isinstance(error, UnknownInterruptError) and "by run a0" in str(error), error
    talk.whole("a0", "x", "y")
    for n, resume in ((50, {question: 1}), (51, "late")):
        talk.ask(f"a{n}", Command(resume=resume))
        assert isinstance(talk.error(f"a{n}"), UnknownInterruptError) and "a0" in str(talk.error(f"a{n}"))
    assert talk.head().status == "idle"


def test_an_answer_that_is_refused_leaves_the_thread_as_it_was(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    question = talk.question("r1")
    before = talk.broker.read_history(0, "t")
    talk.ask("r2", Command(resume={"0" * 32: "x"}))
    assert isinstance(talk.error("r2"), UnknownInterruptError)
    assert talk.head().status == "paused" and talk.broker.read_history(0, "t") == before
    talk.ask("r3", Command(resume={question: "yes"}))
    assert talk.answer("r3", "a").answers == ["yes"]


def test_who_comes_second_waits_and_begins_in_order(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    for run in ("r2", "r3"):
        talk.ask(run, {"l": [run]})
    assert [talk.status(run) for run in ("r2", "r3")] == ["queued", "queued"]
    [first] = talk.facts("r2")
    assert isinstance(first, RunStarted)
    talk.lease()
    talk.whole("r1", "a", "b")
    assert [talk.status(run) for run in ("r1", "r2", "r3")] == ["done", "open", "queued"]
    talk.whole("r2", "c", "d")
    talk.lease()
    talk.whole("r3", "e", "f")
    assert [talk.status(run) for run in ("r2", "r3")] == ["done", "done"]
    assert talk.history()[0].checkpoint.cells["l"] == ["i", "a", "b", "r2", "c", "d", "r3", "e", "f"]
    assert talk.broker.read_queue(0) == []
    assert [type(fact) for fact in talk.facts("r3")].count(RunStarted) == 1


def test_requests_of_one_batch_wait_for_each_other(talk: Talk) -> None:
    for run in ("r1", "r2"):
        talk.ask(run, {"l": [run]}, settle=False)
    talk.settle()
    assert [talk.status(run) for run in ("r1", "r2")] == ["open", "queued"]


def test_a_new_owner_begins_what_waited_for_a_run_that_has_ended(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.ask("r2", {"l": ["j"]})
    talk.say(CancelRun("r1"))
    talk.turn()
    assert talk.status("r2") == "queued"
    talk.lease()
    talk.turn([])
    assert talk.status("r2") == "open" and talk.history()[0].checkpoint.cells["l"] == ["i", "j"]


def test_reject(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.ask("r2", {"l": ["j"]}, strategy="reject")
    error = talk.error("r2")
    assert isinstance(error, ThreadBusy) and (error.thread, error.run) == ("t", "r1")
    talk.whole("r1", "a", "b")
    talk.ask("r3", {"l": ["j"]}, strategy="reject")
    assert talk.status("r3") == "open"


@pytest.mark.parametrize("forgets", [False, True])
def test_interrupt_keeps_what_is_done(talk: Talk, forgets: bool) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.ask("r2", {"l": ["j"]}, strategy="interrupt")
    assert [talk.status(run) for run in ("r1", "r2")] == ["open", "queued"]
    if forgets:
        talk.lease()
    talk.answer("r1", "a")
    assert [talk.status(run) for run in ("r1", "r2")] == ["paused", "open"]
    talk.whole("r2", "c", "d")
    assert talk.history()[0].checkpoint.cells["l"] == ["i", "a", "j", "c", "d"]


@pytest.mark.parametrize("forgets", [False, True])
def test_rollback_takes_back_what_was_done(talk: Talk, forgets: bool) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    before = talk.broker.read_history(0, "t")
    talk.ask("r2", {"l": ["j"]})
    talk.answer("r2", "x")
    if forgets:
        talk.lease()
    talk.ask("r3", {"l": ["k"]}, strategy="rollback")
    assert talk.status("r2") == "cancelled" and isinstance(talk.error("r2"), RunCancelled)
    assert talk.broker.read_history(0, "t")[: len(before)] == before
    talk.whole("r3", "c", "d")
    assert [each.checkpoint.cells["l"] for each in talk.history()[:4]] == [
        ["i", "a", "b", "k", "c", "d"],
        ["i", "a", "b", "k", "c"],
        ["i", "a", "b", "k"],
        ["i", "a", "b"],
    ]


def test_rollback_of_the_first_run_leaves_none(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.answer("r1", "x")
    talk.ask("r2", {"l": ["k"]}, strategy="rollback")
    talk.whole("r2", "c", "d")
    assert values(talk.history()) == [
        (2, "loop", ["k", "c", "d"]),
        (1, "loop", ["k", "c"]),
        (0, "loop", ["k"]),
        (-1, "input", []),
    ]


def test_who_waits_may_be_cancelled_or_deleted(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    for run in ("r2", "r3", "r4"):
        talk.ask(run, {"l": [run]})
    talk.say(CancelRun("r2", "enough"))
    talk.say(DeleteRun("r3"))
    talk.settle()
    assert isinstance(talk.error("r2"), RunCancelled)
    assert talk.broker.load_run(0, "r3") == {} and talk.facts("r3") == []
    talk.whole("r1", "a", "b")
    assert talk.status("r4") == "open"


def test_a_run_that_is_deleted_frees_its_thread(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.ask("r2", {"l": ["j"]})
    talk.say(DeleteRun("r1"))
    talk.settle()
    assert talk.status("r2") == "open"


def test_an_old_checkpoint_begins_a_branch_and_the_other_stays(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    rows = talk.broker.read_history(0, "t")
    old = talk.history()[1].checkpoint
    talk.ask("r2", None, place={"checkpoint_id": old.id})
    talk.answer("r2", "B")
    found = talk.history()
    assert found[0].checkpoint.cells["l"] == ["i", "a", "B"]
    assert found[1].checkpoint.parent == old.id
    assert talk.broker.read_history(0, "t")[: len(rows)] == rows


@pytest.mark.parametrize("busy", [False, True])
def test_nothing_is_left_of_a_thread_that_is_deleted(talk: Talk, busy: bool) -> None:
    talk.ask("r1", {"l": [BIG]})
    talk.whole("r1", "a", "b")
    if busy:
        talk.ask("r2", {"l": ["j"]})
        talk.ask("r3", {"l": ["k"]})
    talk.say(DeleteThread("answer", "t"))
    talk.settle()
    part = talk.server.partition(0)
    assert not (part.threads or part.histories or part.values or part.cells or part.blobs or part.thread_runs)
    assert not (part.changed or part.open or part.waiting or len(part.queue))
    assert list(part.runs) == list(part.logs) == ["answer"] and talk.status("answer") == "done"
    assert not talk.tasks()
    talk.ask("r4", {"l": ["new"]})
    talk.whole("r4", "c", "d")
    assert talk.history()[0].checkpoint.cells["l"] == ["new", "c", "d"]


def test_a_thread_that_is_idle_takes_no_memory(talk: Talk) -> None:
    talk.ask("r1", {"l": ["i"]})
    talk.question("r1")
    talk.turn([])
    desk, runs = talk.partition._threads, talk.partition._runs
    assert not (runs.loaded or desk._heads or desk._holders or desk._waiting or desk._ended)


@pytest.mark.parametrize("ends", [DeleteRun("r2"), RunDamaged("r2", "somebody deleted its log")])
def test_a_run_that_ends_unread_frees_its_thread_at_once(talk: Talk, ends: Any) -> None:
    """Nobody has it in memory, and its record still says open while the commit is on its way."""
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    talk.ask("r2", {"l": ["j"]})
    talk.lease()
    if isinstance(ends, RunDamaged):
        del talk.server.partition(0).logs["r2"]
    talk.say(ends)
    commit = talk.partition.handle(talk.entries(), float(talk.server.now_ms))
    assert commit is not None
    talk.ask("r3", {"l": ["k"]}, settle=False)
    second = talk.partition.handle(talk.broker.read_inbox({0: commit.position}, 99, 0), float(talk.server.now_ms))
    assert second is not None
    talk.apply(commit)
    talk.apply(second)
    talk.settle()
    assert talk.status("r3") == "open"
