"""What a turn of a talk sends to the broker, and what of it stays: each text once."""

from __future__ import annotations

import pytest
from tests.coordinator.talk import BIG, Talk, program

from drumline_protocol.keys import Keys
from drumline_transport.redis_commits import pack_commit

ASKED, SAID = "q" * 400, "a" * 400


@pytest.fixture
def talk() -> Talk:
    return Talk({"g": program()})


def test_what_was_asked_and_what_was_said_are_in_no_commit_and_in_a_log_once(talk: Talk) -> None:
    """They lie in the broker when the coordinator hears of them."""
    talk.ask("r0", {"l": [BIG]})
    talk.whole("r0", "x", "y")
    del talk.commits[:]
    talk.ask("r1", {"l": [ASKED]})
    [task] = talk.tasks()
    talk.say(talk.result(task, "r1", writes=talk.codec.box([["l", [SAID]], ["branch:to:act", None]])))
    talk.settle()
    talk.answer("r1", "y")
    sent = b"".join(pack_commit(commit, Keys("test")) for commit in talk.commits)
    assert (sent.count(ASKED.encode()), sent.count(SAID.encode())) == (0, 0)
    log = b"".join(entry.data for entry in talk.broker.load_log(0, "r1"))
    assert log.count(ASKED.encode()) == log.count(SAID.encode()) == 1
    assert talk.history()[0].checkpoint.cells["l"] == [BIG, "x", "y", ASKED, SAID, "y"]
    # Three supersteps of a run: ids, keys and what is computed of the others stay few
    assert len(sent) < 8000


def test_a_head_sends_what_a_step_changes_in_one_field(talk: Talk) -> None:
    talk.ask("r0", {"l": ["first"]})
    del talk.commits[:]
    talk.answer("r0", "x")
    [(_, changed_ms, fields)] = [head for commit in talk.commits for head in commit.threads]
    assert changed_ms == 0, "it was told a moment ago"
    assert set(fields) == {"now"} and len(fields["now"]) < 80  # type: ignore[arg-type]
    talk.answer("r0", "y")
    head = talk.head()
    assert (head.status, head.head, head.last) == ("idle", talk.history()[0].checkpoint.id, head.head)
