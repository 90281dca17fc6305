"""Runs that the code of a task waits for: they leave with that task where they go on, and no thread knows of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.talk import BIG, Talk, program

from drumline_protocol.limits import CARRIED_BYTES_MAX
from drumline_protocol.messages import CancelRun, TaskMessage, TaskThread
from drumline_protocol.thread_rows import save_in


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


def begin(talk: Talk, run: str, rows: list[bytes] | None = None, answers: dict[str, Any] | None = None) -> None:
    """A node starts a run and waits; `rows` are what the one before it has left."""
    below = TaskThread("", {}, rows is not None, answers or {}, rows or [])
    talk.ask(run, {"l": [run, BIG]}, within="p", below=below)


def left(talk: Talk, run: str) -> list[bytes]:
    end = talk.end(run)
    assert end is not None
    return end.rows


def taken(talk: Talk) -> TaskMessage:
    [task] = talk.tasks()
    return task


def finish(talk: Talk, run: str, task: TaskMessage, value: str) -> None:
    edges = talk.apps.programs["g"].nodes[task.node].edges
    talk.say(talk.result(task, run, writes=[["l", [value]], *([channel, each] for channel, each in edges)]))
    talk.settle()


@pytest.mark.parametrize("taken_over", [False, True], ids=["one owner", "taken over"])
def test_the_next_run_goes_on_where_the_last_one_asked(talk: Talk, taken_over: bool) -> None:
    """Whoever owns the partition meanwhile; and what it is given is not what it begins from."""

    def lose_memory() -> None:
        if taken_over:
            talk.lease()

    begin(talk, "c1")
    lose_memory()
    first = talk.question("c1", "first?")
    assert talk.status("c1") == "paused"
    begin(talk, "c2", left(talk, "c1"), {first: "yes"})
    lose_memory()
    task = taken(talk)
    assert task.node == "ask" and task.answers == ["yes"]
    lose_memory()
    finish(talk, "c2", task, "asked")
    second = talk.question("c2", "second?")
    assert [each.value for each in talk.end("c2").interrupts] == ["second?"]  # type: ignore[union-attr]
    begin(talk, "c3", left(talk, "c2"), {second: "no"})
    lose_memory()
    task = taken(talk)
    assert task.node == "act" and task.answers == ["no"]
    finish(talk, "c3", task, "acted")
    assert talk.status("c3") == "done"
    [row] = left(talk, "c3")
    assert save_in(talk.codec, row).cells["l"] == ["c1", BIG, "asked", "acted"]  # type: ignore[union-attr]
    begin(talk, "c4", [row])
    assert talk.status("c4") == "done" and not talk.tasks(), "it had come to its end"


def test_no_thread_knows_of_it(talk: Talk) -> None:
    talk.ask("p", {"l": ["i"]})
    rows = talk.broker.read_history(0, "t")
    head = talk.broker.load_thread(0, "t")
    parent = taken(talk)
    begin(talk, "c1")
    talk.question("c1")
    assert talk.broker.read_history(0, "t") == rows and talk.broker.load_thread(0, "t") == head
    assert parent.node == "ask" and talk.status("p") == "open"


def test_what_is_too_large_to_travel_is_told_if_it_is_needed(talk: Talk) -> None:
    """A run that has its result ends well all the same."""
    much = "x" * (CARRIED_BYTES_MAX // 8)
    talk.ask("c1", {"l": [much] * 9}, within="p", below=TaskThread("", {}, False, {}, []))
    talk.question("c1")
    assert talk.status("c1") == "failed" and "the run that asks" in str(talk.error("c1"))
    talk.ask("c2", {"l": [much] * 9}, within="p", below=TaskThread("", {}, False, {}, []))
    talk.whole("c2", "a", "b")
    assert talk.status("c2") == "done" and left(talk, "c2") == []


def test_what_lies_there_and_is_damaged_costs_that_run_alone(talk: Talk) -> None:
    begin(talk, "c1", [b"damaged"])
    assert talk.status("c1") == "failed"
    begin(talk, "c2")
    talk.say(CancelRun("c2", "enough"))
    talk.settle()
    assert talk.status("c2") == "cancelled" and left(talk, "c2") == []
