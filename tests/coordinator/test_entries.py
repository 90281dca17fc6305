"""Entries of an inbox that nobody can read or handle: set aside, at the cost of their run at most; the rest goes on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.coordinator.seat import Seat
from tests.coordinator.test_run import START, graph

from drumline_coordinator.partition import Partition
from drumline_protocol import wire
from drumline_protocol.errors import NoBroker
from drumline_protocol.facts import AttemptRetracted, RunFinished
from drumline_protocol.limits import ACCEPT_TIMEOUT_MS, DEAD_DATA_BYTES_MAX
from drumline_protocol.messages import AttemptLost, CancelRun, RunRequest
from drumline_transport.broker import InboxEntry
from drumline_transport.errors import ServerError
from drumline_transport.memory_streams import Stream


@pytest.fixture
def seat() -> Seat:
    return Seat({"g": graph((START, "a"))})


def newer(seat: Seat, message: Any) -> bytes:
    """The message as a newer drumline would write it."""
    envelope = seat.codec.decode(wire.encode(seat.codec, message))
    envelope[0] = wire.VERSION + 1
    return seat.codec.encode(envelope)


JUNK = [b"", b"\xc1", b"junk", b"\x90", b"\x92\x01\x90", b"\x92\x01\x91\x63", b"\xff" * 100]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("request_stream", [True, False])
def test_junk_is_set_aside_and_costs_nobody_anything(seat: Seat, junk: bytes, request_stream: bool) -> None:
    # Given a run that is under way
    (task,) = seat.start()
    # When somebody writes junk, under no name, its name, and the name of another run
    for run in ("", "r1", "r2"):
        seat.send(junk, run, request_stream)
    seat.say(seat.result(task))
    seat.settle()
    # Then the run ends as it should, and an operator finds what was set aside, and why
    end = seat.end()
    assert end is not None and end.status == "done"
    dead = [entry for _, entry in seat.broker.dead(0, 10)]
    assert [(entry.run, entry.data) for entry in dead] == [("r2", junk), ("r1", junk), ("", junk)]
    assert all(entry.reason for entry in dead)
    assert {entry.source for entry in dead} == {"requests" if request_stream else "inbox"}


def test_a_client_that_speaks_for_a_keeper_or_a_worker_is_not_heard(seat: Seat) -> None:
    """It may read the run's record, and so the digest by which a keeper is believed."""
    (task,) = seat.start()
    key = f"{task.task}:{task.attempt}"
    proof = seat.broker.load_run(0, "r1")[f"k:{key}"].decode()
    for message in (AttemptLost("r1", task.task, task.attempt, "forged", proof), seat.result(task)):
        seat.send(wire.encode(seat.codec, message), "r1", request=True)
    seat.settle()
    assert seat.end() is None
    reasons = [entry.reason for _, entry in seat.broker.dead(0, 9)]
    assert len(reasons) == 2
    assert "a client may not say TaskResult" in reasons[0] and "a client may not say AttemptLost" in reasons[1]
    # Nothing of that happened: the attempt is the same, and its true answer counts
    seat.say(seat.result(task))
    seat.settle()
    end = seat.end()
    assert end is not None and end.status == "done"
    assert not [fact for fact in seat.facts() if isinstance(fact, AttemptRetracted)]


def test_a_request_that_cannot_be_read_is_answered(seat: Seat) -> None:
    seat.send(b"junk", "r9", request=True)
    seat.settle()
    end = seat.end("r9")
    assert end is not None and end.status == "failed"
    assert end.error.class_name.endswith("InvalidRequest")
    assert [run.run_id for run in seat.broker.failed(0, 5)] == ["r9"]


def test_a_client_of_a_newer_version_is_told_so_and_harms_nobody(seat: Seat) -> None:
    (task,) = seat.start()
    seat.send(newer(seat, RunRequest("r2", "g", {"l": []})), "r2", request=True)
    seat.say(seat.result(task))
    seat.settle()
    end = seat.end("r2")
    assert end is not None and f"protocol version {wire.VERSION + 1}" in str(end.error)
    assert seat.end().status == "done"  # type: ignore[union-attr]
    assert len(seat.broker.dead(0, 5)) == 1


def test_a_worker_of_a_newer_version_is_set_aside(seat: Seat) -> None:
    (task,) = seat.start()
    seat.send(newer(seat, seat.result(task)), "r1")
    seat.settle()
    assert seat.end() is None, "the keeper finds that the task is lost"
    ((_, dead),) = seat.broker.dead(0, 5)
    assert f"version {wire.VERSION + 1}" in dead.reason


def test_an_entry_that_names_another_run_than_its_message_is_set_aside(seat: Seat) -> None:
    (task,) = seat.start()
    seat.say(seat.result(task), run="r2")
    seat.settle()
    assert seat.end() is None
    assert "r2" in seat.broker.dead(0, 5)[0][1].reason


def test_a_large_entry_is_kept_in_part(seat: Seat) -> None:
    seat.send(b"x" * (DEAD_DATA_BYTES_MAX + 1), "r1")
    seat.settle()
    ((_, dead),) = seat.broker.dead(0, 5)
    assert (len(dead.data), dead.whole_bytes) == (DEAD_DATA_BYTES_MAX, DEAD_DATA_BYTES_MAX + 1)


def test_many_bad_entries_give_one_line_of_log_a_commit(seat: Seat, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        seat.send(b"junk")
    seat.settle()
    assert len(seat.broker.dead(0, 100)) == 50
    assert len([record for record in caplog.records if "set aside" in record.message]) == 1


def test_a_message_that_the_machine_cannot_take_costs_its_run_alone(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two runs, and a fault of ours that one message brings to light
    (one,), (two,) = seat.start("r1"), seat.start("r2")
    genuine = Partition._on_event

    def on_event(self: Partition, message: Any) -> None:
        if message.run == "r1":
            raise KeyError("ours")
        genuine(self, message)

    monkeypatch.setattr(Partition, "_on_event", on_event)
    # When both get their results in one batch
    seat.say(seat.result(one, "r1"))
    seat.say(seat.result(two, "r2"))
    assert seat.turn() is not None
    # Then only that run fails, with the fault's own words
    ends = {run: seat.end(run) for run in ("r1", "r2")}
    assert ends["r1"] is not None and ends["r1"].status == "failed" and "ours" in str(ends["r1"].error)
    assert ends["r2"] is not None and ends["r2"].status == "done"
    assert len(seat.broker.dead(0, 5)) == 1


def test_trouble_with_the_broker_is_not_the_entrys_fault(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise NoBroker("redis://", "away")

    seat.say(RunRequest("r1", "g", {"l": []}))
    monkeypatch.setattr(seat.broker, "load_run", away)
    with pytest.raises(NoBroker):
        seat.turn()


def test_poison_is_set_aside_unread(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an entry that kills whoever reads it
    (task,) = seat.start()
    seat.say(seat.result(task))
    (entry,) = seat.entries()
    monkeypatch.setattr(wire, "decode", lambda *_: pytest.fail("it was read"))
    monkeypatch.setattr(wire, "decode_facts", lambda *_: pytest.fail("its log was read"))
    partition = seat.lease()
    # When it has had its tries
    seat.apply(partition.poison(entry, 3, 0.0))
    monkeypatch.undo()
    # Then its run ends as it stands, nothing works for it any more, and the position has moved
    end = seat.end()
    assert end is not None and "PoisonedRun" in end.error.class_name
    assert seat.entries() == [] and seat.broker.open_runs(0) == []
    assert seat.broker.queue_depths(["default"])["default"] == (0, 0)
    assert set(seat.broker.load_run(0, "r1")) == {"graph", "status", "created_ms", "facts"}


def test_poison_of_a_run_that_never_began_is_answered(seat: Seat) -> None:
    seat.say(RunRequest("r1", "g", {"l": []}))
    seat.apply(seat.partition.poison(seat.entries()[0], 3, 0.0))
    end = seat.end()
    assert end is not None and "PoisonedRun" in end.error.class_name


def a_log_beyond(seat: Seat, _monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream to which no owner of today can append."""
    log = seat.server.partition(0).logs["r1"] = Stream()
    log.append((10**15, 7), (1, b"junk"))


def a_log_of_another_type(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    read = seat.broker.load_log

    def refuse(p: int, run_id: str, *rest: Any) -> Any:
        if not seat.commits:
            raise ServerError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return read(p, run_id, *rest)

    monkeypatch.setattr(seat.broker, "load_log", refuse)


@pytest.mark.parametrize("taken", [a_log_beyond, a_log_of_another_type])
def test_a_run_whose_log_somebody_else_has_taken_costs_nobody_else(
    seat: Seat, monkeypatch: pytest.MonkeyPatch, taken: Any
) -> None:
    """No commit that appends to that log can ever be applied: it must go before the run's end is written."""
    taken(seat, monkeypatch)
    seat.say(RunRequest("r1", "g", {"l": []}))
    seat.apply(seat.partition.poison(seat.entries()[0], 3, 0.0))
    assert seat.commits[0].deleted == ["r1"] and not seat.commits[0].logs
    seat.settle()
    end = seat.end()
    assert end is not None and "PoisonedRun" in end.error.class_name
    assert seat.start("r2") != []


def test_a_request_that_was_given_up_never_runs(seat: Seat) -> None:
    # Given nobody who takes requests, until the client gives up
    seat.say(RunRequest("r1", "g", {"l": []}))
    seat.send(wire.encode(seat.codec, CancelRun("r1", "given up")), "r1", request=True)
    # When a coordinator comes
    seat.settle()
    # Then no task is sent out
    assert seat.tasks() == []
    end = seat.end()
    assert end is not None and end.status == "cancelled"


def test_a_request_that_is_too_old_never_runs(seat: Seat) -> None:
    seat.say(RunRequest("old", "g", {"l": []}))
    seat.server.now_ms += ACCEPT_TIMEOUT_MS + 1
    seat.say(RunRequest("new", "g", {"l": []}))
    seat.lease()
    seat.settle()
    assert [task.task for task in seat.tasks()] != []
    end = seat.end("old")
    assert end is not None and end.error.class_name.endswith("NoCoordinator")
    assert seat.broker.open_runs(0) == ["new"]


@pytest.mark.parametrize("writes", [7, "ab", [1], [["l"]], [[1, 2]], {"l": 1}])
def test_an_answer_whose_writes_are_none_fails_its_run_clearly(seat: Seat, writes: Any) -> None:
    (task,), (other,) = seat.start("r1"), seat.start("r2")
    seat.say(seat.result(task, writes=seat.codec.box(writes)))
    seat.say(seat.result(other, "r2"))
    seat.settle()
    end, well = seat.end("r1"), seat.end("r2")
    assert end is not None and "the writes of a task" in str(end.error)
    assert well is not None and well.status == "done"


@pytest.mark.parametrize("token", ["", "guess", "\ud800"])
def test_only_the_holder_of_a_task_speaks_for_it(seat: Seat, token: str) -> None:
    (task,) = seat.start()
    seat.say(seat.result(task, token=token, writes=[["l", ["forged"]]]))
    seat.settle()
    assert seat.end() is None
    seat.say(seat.result(task))
    seat.settle()
    assert isinstance(seat.facts()[-1], RunFinished)
    assert "forged" not in repr(seat.facts())


def test_a_new_owner_knows_the_tokens(seat: Seat) -> None:
    (task,) = seat.start()
    seat.lease()
    seat.say(seat.result(task, token="guess"))
    seat.settle()
    assert seat.end() is None
    seat.say(seat.result(task))
    seat.settle()
    assert seat.end() is not None


def test_tokens_cannot_be_read_from_the_record(seat: Seat) -> None:
    (task,) = seat.start()
    assert task.token and task.token.encode() not in b"".join(seat.broker.load_run(0, "r1").values())


def test_an_entry_of_another_form_has_no_data() -> None:
    assert InboxEntry(0, "1-0", b"").name == "inbox/1-0"
