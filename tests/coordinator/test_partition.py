"""One partition, entry by entry: a batch goes in, a commit comes out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from tests.coordinator.seat import Seat
from tests.coordinator.test_run import START, State, graph, node

from drumline_coordinator.partition import REFUSALS_AT_ONCE
from drumline_graph.builder import StateGraph
from drumline_graph.compile import compile_program
from drumline_graph.types import Send
from drumline_protocol import wire
from drumline_protocol.facts import AttemptRetracted, Emitted, PlanMade
from drumline_protocol.limits import (
    CELL_INLINE_BYTES_MAX,
    DISPATCH_WINDOW_BYTES_MAX,
    DISPATCH_WINDOW_ENTRIES_MAX,
    LOG_ENTRY_BYTES_MAX,
    LOG_TTL_S,
)
from drumline_protocol.messages import (
    AttemptLost,
    CancelRun,
    DeleteRun,
    Events,
    Refused,
    RunDamaged,
    TaskMessage,
    WorkersChanged,
)

BIG = "x" * (CELL_INLINE_BYTES_MAX + 1)


@pytest.fixture
def seat() -> Seat:
    return Seat({"g": graph((START, "a"), ("a", "b"))})


def events(task: TaskMessage, n: int, *items: bytes, run: str = "r1") -> Events:
    return Events(run, task.task, task.attempt, "w1", n, list(items), task.token)


def item(seat: Seat, text: str = "token") -> bytes:
    return wire.encode_item(seat.codec, 0, text, None)


def left_of(seat: Seat, run_id: str = "r1") -> dict[str, Any]:
    """What of a run lies in the broker but its log and the plain part of its record."""
    part = seat.server.partitions[0]
    record = part.runs.get(run_id, {})
    return {
        "open": sorted(part.open),
        "slots": [name for name in record if name[:2] in ("t:", "k:")],
        "blobs": sorted(part.blobs),
        "tasks": seat.broker.queue_depths(["default"])["default"],
    }


NOTHING_LEFT: dict[str, Any] = {"open": [], "slots": [], "blobs": [], "tasks": (0, 0)}


def test_a_task_that_is_refused_again_and_again_waits_for_the_next_round() -> None:
    # Given a run whose graph some worker holds, but another one keeps taking the task
    asked: list[int] = []
    seat = Seat({"g": graph((START, "a"))}, holders=lambda *_: 1, retry_later=asked.append)
    tasks, refusals = seat.start(), 0
    while tasks:
        (task,) = tasks
        seat.say(Refused("r1", task.task, task.attempt, "stranger", "no such graph", task.token))
        seat.settle()
        tasks = seat.tasks()
        refusals += 1
    # Then it is offered again at once a few times, and after that when the keeper says so
    assert refusals == REFUSALS_AT_ONCE and asked == [0]
    seat.say(WorkersChanged(0))
    seat.settle()
    assert len(seat.tasks()) == 1


# -- what a commit may hold ---------------------------------------------------------------------------


def sends(count: int, arg: Any = 1) -> Any:
    builder = StateGraph(State)
    builder.add_node("a", node)
    builder.add_conditional_edges(START, lambda _state: [Send("a", arg)] * count, ["a"])
    return compile_program(builder)


def fan(seat: Seat, runs: Sequence[str], count: int, arg: Any = 1) -> None:
    """Start runs whose START routers then answer, in one batch, with that many Sends each."""
    routers = [(run_id, *seat.start(run_id)) for run_id in runs]
    for run_id, router in routers:
        writes = [*router.writes, *([["__pregel_tasks", Send("a", arg)]] * count)]  # type: ignore[attr-defined]
        seat.say(seat.result(router, run_id, writes=writes))  # type: ignore[arg-type]


def test_a_wide_superstep_leaves_in_windows() -> None:
    seat = Seat({"g": sends(3 * DISPATCH_WINDOW_ENTRIES_MAX)})
    fan(seat, ["r1"], 3 * DISPATCH_WINDOW_ENTRIES_MAX)
    seat.settle()
    sizes = [len(commit.tasks) for commit in seat.commits]
    assert max(sizes) == DISPATCH_WINDOW_ENTRIES_MAX and sum(sizes) == 1 + 3 * DISPATCH_WINDOW_ENTRIES_MAX
    assert len({task.task for task in seat.tasks()} | {""}) == 3 * DISPATCH_WINDOW_ENTRIES_MAX + 1


def test_the_window_is_of_the_commit_not_of_each_run_and_event() -> None:
    # Given many wide runs that are planned in one batch
    seat = Seat({"g": sends(400)})
    fan(seat, [f"r{number}" for number in range(6)], 400)
    seat.settle()
    # Then no commit holds more than a window, nothing is lost, and all of them get their turn
    assert max(len(commit.tasks) for commit in seat.commits) <= DISPATCH_WINDOW_ENTRIES_MAX
    assert len(seat.tasks()) == 2400
    first = next(commit for commit in seat.commits if len(commit.tasks) > 10)
    assert len({task.run_id for task in first.tasks}) > 1


def test_a_window_is_bounded_in_bytes_too() -> None:
    seat = Seat({"g": sends(100)})
    fan(seat, ["r1"], 100, "x" * 50_000)
    seat.settle()
    sizes = [sum(len(task.data) for task in commit.tasks) for commit in seat.commits]
    assert max(sizes) <= DISPATCH_WINDOW_BYTES_MAX + 60_000
    assert len(seat.tasks()) == 100


def test_a_task_that_waits_for_a_window_survives_a_takeover() -> None:
    seat = Seat({"g": sends(2500)})
    fan(seat, ["r0", "r1"], 2500)
    seat.turn()
    slots = [name for name in seat.broker.load_run(0, "r1") if name.startswith("t:")]
    assert not slots, "the window went to the other run"
    seat.lease()
    assert not seat.partition.has_more
    seat.say(WorkersChanged(0))  # as the keeper says after a takeover
    seat.settle()
    assert len(seat.tasks()) == 5000


def test_a_burst_becomes_several_log_entries_of_bounded_size(seat: Seat) -> None:
    # Given a coordinator that was away while a node emitted
    (task,) = seat.start()
    count = 60
    for n in range(count):
        seat.say(events(task, n, item(seat, "x" * 100_000)))
    commit = seat.turn()
    assert commit is not None
    # Then its facts are several entries, in order, and every fact is there
    logs = [log for log in commit.logs if log.run_id == "r1"]
    assert max(len(log.data) for log in logs) <= LOG_ENTRY_BYTES_MAX < sum(len(log.data) for log in logs)
    assert [log.first for log in logs[1:]] == [log.last + 1 for log in logs[:-1]]
    assert sum(isinstance(fact, Emitted) for fact in seat.facts()) == count


# -- lost events --------------------------------------------------------------------------------------


def test_events_that_were_lost_void_the_attempt(seat: Seat) -> None:
    (task,) = seat.start()
    seat.say(events(task, 0, item(seat)))
    seat.say(events(task, 2, item(seat)))
    seat.settle()
    (again,) = seat.tasks()
    assert (again.task, again.attempt) == (task.task, 2) and again.token != task.token
    retracted = [fact for fact in seat.facts() if isinstance(fact, AttemptRetracted)]
    assert [fact.attempt for fact in retracted] == [1] and "2 to 2" in retracted[0].reason


def test_a_lost_last_burst_is_seen_by_the_count_in_the_result(seat: Seat) -> None:
    (task,) = seat.start()
    seat.say(events(task, 0, item(seat)))
    seat.say(seat.result(task, events=3))
    seat.settle()
    (again,) = seat.tasks()
    assert (again.task, again.attempt) == (task.task, 2)
    for n in range(3):
        seat.say(events(again, n, item(seat)))
    seat.say(seat.result(again, events=3))
    seat.settle()
    assert [task.node for task in seat.tasks()] == ["b"]


# -- damage -------------------------------------------------------------------------------------------


def flip(seat: Seat, run_id: str = "r1") -> None:
    """One bit of the run's log is another one."""
    log = seat.server.partitions[0].logs[run_id]
    first, data = log._rows[-1]
    log._rows[-1] = (first, data[:-3] + bytes([data[-3] ^ 4]) + data[-2:])


def test_a_flipped_bit_in_a_log_ends_its_run_and_no_other(seat: Seat) -> None:
    (task,), (other,) = seat.start("r1", input={"l": [BIG]}), seat.start("r2")
    cell = ("cell", ("r1", ":l"))
    assert seat.server.partitions[0].cells
    flip(seat)
    seat.lease()
    seat.say(seat.result(task))
    seat.say(seat.result(other, "r2"))
    seat.settle()
    end = wire.decode_facts(seat.codec, seat.broker.load_log(0, "r1")[-1].data)[-1]
    assert end.status == "failed" and "DamagedRun" in end.error.class_name
    assert [task.node for task in seat.tasks()] == ["b"], "the other run goes on"
    assert left_of(seat) | {"tasks": ()} == NOTHING_LEFT | {"open": ["r2"], "tasks": ()}
    assert cell in seat.server.partitions[0].expiry, "its large values go with its log"


def test_a_missing_entry_of_a_log_ends_its_run(seat: Seat) -> None:
    (task,) = seat.start()
    seat.say(events(task, 0, item(seat)))
    seat.settle()
    log = seat.server.partitions[0].logs["r1"]
    del log._ids[0], log._rows[0]
    seat.lease()
    seat.say(seat.result(task))
    seat.settle()
    assert "missing" in str(seat.end().error)  # type: ignore[union-attr]
    assert left_of(seat) == NOTHING_LEFT


@pytest.mark.parametrize("what", ["record", "log", "both"])
def test_a_run_whose_keys_were_deleted_leaves_nothing_behind(seat: Seat, what: str) -> None:
    (task,) = seat.start(input={"l": [BIG]})
    part = seat.server.partitions[0]
    if what in ("record", "both"):
        del part.runs["r1"]
    if what in ("log", "both"):
        del part.logs["r1"]
    seat.say(RunDamaged("r1", f"its {what} is gone"))
    seat.settle()
    if what == "log":
        assert "DamagedRun" in seat.end().error.class_name  # type: ignore[union-attr]
    else:
        assert "r1" not in part.runs and "r1" not in part.logs
    # And the worker's answer changes nothing
    seat.broker.publish([(0, "r1", wire.encode(seat.codec, seat.result(task)))], [])
    seat.settle()
    assert left_of(seat)["open"] == [] and left_of(seat)["blobs"] == []


def test_a_run_that_is_whole_survives_the_word_of_a_stranger(seat: Seat) -> None:
    # Given that workers may write into an inbox, and one of them is not ours
    (task,) = seat.start()
    seat.say(RunDamaged("r1", "so they say"))
    seat.say(AttemptLost("r1", task.task, 1, "so they say"))
    seat.say(AttemptLost("r1", task.task, 1, "so they say", task.token))
    seat.settle()
    assert seat.end() is None and seat.tasks() == []
    digest = seat.broker.load_run(0, "r1")[f"k:{task.task}:1"].decode()
    seat.say(AttemptLost("r1", task.task, 1, "its keeper says so", digest))
    seat.settle()
    assert [task.attempt for task in seat.tasks()] == [2]


def test_a_damaged_run_is_told_of_once(seat: Seat) -> None:
    seat.start()
    del seat.server.partitions[0].logs["r1"]
    for _ in range(3):
        seat.say(RunDamaged("r1", "its log is gone"))
    seat.settle()
    assert len(seat.broker.failed(0, 10)) == 1


# -- deleting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [False, True])
def test_of_a_deleted_run_nothing_stays(over: bool) -> None:
    seat = Seat({"g": graph((START, "a"))})
    (task,) = seat.start(input={"l": [BIG]})
    if over:
        seat.say(seat.result(task))
        seat.settle()
        assert seat.end() is not None
    seat.say(DeleteRun("r1"))
    commit = seat.turn()
    part = seat.server.partitions[0]
    assert (
        "r1" not in part.runs
        and "r1" not in part.logs
        and left_of(seat) | {"tasks": ()} == NOTHING_LEFT | {"tasks": ()}
    )
    assert commit is not None and bool(commit.ctl) is not over, "its workers hear that they may stop"
    seat.say(seat.result(task))
    seat.say(DeleteRun("r1"))
    seat.settle()
    assert "r1" not in part.runs and "r1" not in part.logs


# -- what is left of runs that ended, and what is told ------------------------------------------------


def test_what_ended_leaves_its_log_and_its_record_for_a_day(seat: Seat) -> None:
    (task,) = seat.start(input={"l": [BIG]})
    seat.say(events(task, 0, item(seat)))
    seat.say(seat.result(task, events=1))
    seat.settle()
    (task,) = seat.tasks()
    seat.say(seat.result(task))
    seat.settle()
    assert seat.end().status == "done"  # type: ignore[union-attr]
    assert left_of(seat) | {"tasks": ()} == NOTHING_LEFT | {"tasks": ()}
    part = seat.server.partitions[0]
    until = seat.server.now_ms + LOG_TTL_S * 1000
    kept = [("run", "r1"), ("log", "r1"), ("cell", ("r1", ":l"))]
    assert part.expiry == dict.fromkeys(kept, until)


def test_the_list_of_failed_runs_says_what_failed(seat: Seat) -> None:
    seat.start("r1")
    seat.start("r2", graph="nobody's")
    seat.settle()
    (failed,) = seat.broker.failed(0, 5)
    assert (failed.run_id, failed.graph) == ("r2", "nobody's") and "UnknownGraph" in failed.error
    assert failed.at_ms == seat.server.now_ms


def test_a_coordinator_logs_where_runs_begin_and_end(seat: Seat, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "drumline.coordinator"):
        seat.start("r1")
        seat.say(CancelRun("r1", "enough"))
        seat.settle()
    assert [record.message for record in caplog.records] == [
        "run r1 of graph g begins",
        "run r1 of graph g ended: cancelled",
    ]


def test_a_plan_is_one_fact_however_many_windows_it_takes() -> None:
    seat = Seat({"g": sends(2500)})
    fan(seat, ["r1"], 2500)
    seat.settle()
    plans = [fact for fact in seat.facts() if isinstance(fact, PlanMade)]
    assert [len(plan.tasks) for plan in plans] == [1, 2500]
