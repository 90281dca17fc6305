"""A run that goes back in time is the same for whoever takes its partition over: its record says what no fact tells."""

from __future__ import annotations

import pytest
from tests.coordinator.talk import Talk, program

from drumline_graph.types import Command
from drumline_protocol.ids import token_digest
from drumline_protocol.messages import AttemptLost


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


@pytest.mark.parametrize("taken_over", [False, True], ids=["one owner", "taken over"])
def test_a_replay_stays_one_when_its_partition_is_taken_over(talk: Talk, taken_over: bool) -> None:
    """Graphs that a task calls look behind the same checkpoint at each attempt."""
    talk.ask("r1", {"l": ["i"]})
    talk.whole("r1", "a", "b")
    old = talk.history()[2].checkpoint
    talk.ask("r2", None, place={"checkpoint_id": old.id})
    [first] = talk.tasks()
    assert first.node == "ask" and first.below is not None and first.below.bound == old.id
    if taken_over:
        talk.lease()
    proof = token_digest(first.token)
    talk.say(AttemptLost("r2", first.task, first.attempt, "its worker is gone", proof, died=True))
    talk.settle()
    [again] = talk.tasks()
    assert again.below is not None and again.below.bound == old.id
    talk.say(talk.result(again, "r2"))
    talk.settle()
    [act] = talk.tasks()
    assert act.below is not None and act.below.bound == old.id


def test_what_was_done_at_an_old_checkpoint_stays_when_the_partition_is_taken_over(talk: Talk) -> None:
    """Its tasks run again for a branch; what they had written there is history."""
    talk.ask("r1", {"l": ["i"]})
    asked = talk.question("r1")
    talk.ask("r2", Command(resume={asked: "yes"}))
    talk.whole("r2", "a", "b")
    old = next(each for each in talk.history() if each.checkpoint.tasks and each.checkpoint.tasks[0].name == "ask")
    talk.ask("r3", Command(resume="no"), place={"checkpoint_id": old.checkpoint.id})
    [task] = talk.tasks()
    talk.lease()
    talk.say(talk.result(task, "r3"))
    talk.settle()
    [now] = [each for each in talk.history() if each.checkpoint.id == old.checkpoint.id]
    assert [write for write in now.pending if write[1] == "l"] == [write for write in old.pending if write[1] == "l"]
