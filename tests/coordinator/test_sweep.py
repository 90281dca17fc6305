"""The sweep: what its workers left, what somebody deleted, what nobody can read, and whom the groups remember."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.coordinator.keepers import APPS, House, Turned

from drumline_coordinator import sweep as sweep_module
from drumline_coordinator.sweep import REPORT_AGAIN_TURNS, _attempts, _Reports
from drumline_coordinator.troubles import FORGET_S, TELL_EVERY_S, Troubles
from drumline_protocol import wire
from drumline_protocol.limits import (
    ATTEMPTS_MAX,
    CONSUMER_FORGET_MS,
    DEAD_DATA_BYTES_MAX,
    DEATHS_IN_COMPANY_MAX,
    LOST_SWEEP_RUNS_MAX,
    TASK_LEASE_MS,
)
from drumline_protocol.messages import AttemptLost, RunDamaged, TaskMessage, TaskResult
from drumline_transport.broker import Delivery
from drumline_transport.errors import ServerError
from drumline_transport.keeper_verbs import PoolSweep
from drumline_transport.memory_streams import format_id, parse_id

POOL = "default"


def running(partitions: int = 1, run_id: str = "r1", **settings: Any) -> tuple[House, Turned]:
    """A coordinator with one open run, whose only task lies in the stream."""
    house = House(partitions)
    one = house.start("one", **settings)
    house.arrive("w")
    house.go_on(2)
    house.submit(run_id)
    house.go_on(2)
    assert house.broker.queue_depths([POOL])[POOL] == (1, 0)
    return house, one


def entries(house: House) -> list[str]:
    return [format_id(entry_id) for entry_id, _ in house.server.pool(POOL).stream.after((0, 0))]


def take(house: House, worker: str = "w") -> Delivery:
    [delivery] = house.broker.take([POOL], worker, 1, 0)
    return delivery


def task_of(delivery: Delivery) -> TaskMessage:
    message = wire.decode(APPS.codec, delivery.data)
    assert isinstance(message, TaskMessage)
    return message


def answer(house: House, delivery: Delivery, run_id: str = "r1") -> None:
    task = task_of(delivery)
    result = TaskResult(run_id, task.task, task.attempt, "w", [], task.token, 0)
    house.broker.publish([(0, run_id, wire.encode(APPS.codec, result))], [(POOL, delivery.id)])


def age(house: House, delivery: Delivery) -> None:
    house.server.pool(POOL).pending[parse_id(delivery.id)].since_ms -= TASK_LEASE_MS


def heard(one: Turned, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the keeper reports from now on; it reaches the inbox too."""
    said: list[Any] = []
    genuine = one.broker.push_inbox

    def push(p: int, run_id: str, data: bytes) -> None:
        message = wire.decode(APPS.codec, data)
        assert getattr(message, "run", "") == run_id
        said.append(message)
        genuine(p, run_id, data)

    monkeypatch.setattr(one.broker, "push_inbox", push)
    return said


# -- tasks that nobody renews ----------------------------------------------------------------------


def test_a_task_that_nobody_renews_is_given_out_anew_in_the_next_turn() -> None:
    house, _ = running()
    first = take(house)
    house.go_on(1)
    assert house.broker.renew("w", [(POOL, first.id)]) == {(POOL, first.id)}
    age(house, first)
    house.go_on(1)
    again = take(house)
    assert (task_of(again).task, task_of(again).attempt) == (task_of(first).task, task_of(first).attempt + 1)
    assert entries(house) == [again.id]


def test_a_task_that_lost_two_workers_is_sent_out_to_run_alone() -> None:
    house, one = running()
    for attempt in range(1, ATTEMPTS_MAX + 1):
        delivery = take(house)
        task = task_of(delivery)
        assert (task.attempt, task.alone) == (attempt, attempt > DEATHS_IN_COMPANY_MAX)
        if attempt == DEATHS_IN_COMPANY_MAX:  # a new owner knows it too
            house.kill(one)
            house.start("two")
            house.go_on(12)
        else:
            age(house, delivery)
            house.go_on(2)
    assert entries(house) == []


def test_an_entry_that_was_deleted_makes_no_suspect() -> None:
    house, _ = running(lost_sweep_ms=1)
    for _ in range(2 * DEATHS_IN_COMPANY_MAX):
        [entry_id] = entries(house)
        house.server.pool(POOL).stream.delete(parse_id(entry_id))
        house.go_on(3)
    assert not task_of(take(house)).alone


def test_what_is_reported_is_not_reported_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a main loop that stands still
    house, one = running()
    said = heard(one, monkeypatch)
    age(house, take(house))
    for _ in range(REPORT_AGAIN_TURNS):
        one.keeper.turn()
    assert [type(message) for message in said] == [AttemptLost]
    one.keeper.turn()
    assert len(said) == 2


def test_reports_that_are_old_are_forgotten() -> None:
    reports = _Reports()
    for turn in range(10_000):
        reports.turn = turn
        assert reports.is_new(f"entry {turn}")
    assert len(reports._told) <= REPORT_AGAIN_TURNS


def test_an_entry_that_no_record_names_goes() -> None:
    house, _ = running()
    taken = take(house)
    # Given a copy of the entry, as a lost reply may leave one
    pool = house.server.pool(POOL)
    pool.stream.append(pool.stream.next_id(house.server.now_ms), taken.data)
    left = take(house)
    age(house, left)
    house.go_on(1)
    assert entries(house) == [taken.id]


def test_the_sweep_goes_on_behind_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more idle entries than one turn looks at
    monkeypatch.setattr(sweep_module, "STALE_COUNT", 2)
    house, one = running()
    for number in range(2, 6):
        house.submit(f"r{number}")
    house.go_on(1)
    said = heard(one, monkeypatch)
    for delivery in house.broker.take([POOL], "w", 5, 0):
        age(house, delivery)
    seen = []
    for _ in range(3):
        one.keeper.turn()
        seen.append(len(said))
    assert seen == [2, 4, 5]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1 rubbish",
        wire.encode(APPS.codec, AttemptLost("r", "t", 1, "no task")),
        APPS.codec.encode([wire.VERSION + 1, [99]]),
        APPS.codec.encode([wire.VERSION, [41, "no shared part", *range(20)]]),
        b"\x91" * 2_000,
    ],
    ids=["empty", "rubbish", "no task", "newer", "no shared part", "deep"],
)
def test_an_entry_that_cannot_be_read_is_set_aside_and_its_task_given_out_anew(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a task entry whose bytes were replaced, in the hands of a worker that cannot read it either
    house, _ = running(lost_sweep_ms=1)
    stream = house.server.pool(POOL).stream
    [(entry_id, _)] = stream.after((0, 0))
    stream._rows[0] = data
    damaged = take(house)
    age(house, damaged)
    caplog.set_level(logging.WARNING)
    house.go_on(4)
    # Then it lies among the dead entries, with its reason
    [(_, dead)] = house.broker.dead(0, 10)
    assert (dead.source, dead.id, dead.data) == (f"tasks:{POOL}", damaged.id, data[:DEAD_DATA_BYTES_MAX])
    assert dead.reason
    # And the task has a new entry
    again = take(house)
    assert parse_id(again.id) > entry_id
    assert task_of(again).attempt == 2
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1


def test_a_pool_whose_stream_is_unusable_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    house, one = running()
    said = heard(one, monkeypatch)
    genuine = one.broker.sweep_pools

    def sweep_pools(cursors: dict[str, str], idle_ms: int, count: int) -> Any:
        found = genuine(cursors, idle_ms, count)
        return {"broken": PoolSweep([], "-", "WRONGTYPE tasks:broken is a hash"), **found}

    monkeypatch.setattr(one.broker, "sweep_pools", sweep_pools)
    age(house, take(house))
    one.keeper.turn()
    assert [type(message) for message in said] == [AttemptLost]


# -- tasks and runs that somebody deleted ----------------------------------------------------------


@pytest.mark.parametrize("delivered", [False, True])
def test_a_task_whose_entry_was_deleted_is_given_out_anew(delivered: bool) -> None:
    house, _ = running()
    house.go_on(40)
    if delivered:
        take(house)
    [entry] = entries(house)
    house.server.pool(POOL).stream.delete(parse_id(entry))
    house.go_on(60)
    again = take(house)
    assert task_of(again).attempt == 2
    # And no note of the lost delivery is left
    house.go_on(2)
    assert set(house.server.pool(POOL).pending) == {parse_id(again.id)}


def test_a_stream_that_was_deleted_as_a_whole_costs_nobody_anything() -> None:
    house, _ = running()
    for number in range(2, 30):
        house.submit(f"r{number}")
    house.go_on(1)
    del house.server.tasks[POOL]
    house.go_on(60)
    assert len(house.broker.take([POOL], "w", 100, 0)) == 29


def test_an_entry_that_the_group_skipped_is_given_out_anew() -> None:
    # XGROUP SETID, or XACK by hand: the entry is there, and no worker will ever get it
    house, _ = running()
    pool = house.server.pool(POOL)
    pool.delivered = pool.stream.last
    house.go_on(60)
    assert task_of(take(house)).attempt == 2


def test_an_answer_that_waits_in_the_inbox_wins_over_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a main loop that stands still, and a task whose answer is stored and whose entry is gone with it
    house, one = running(lost_sweep_ms=1)
    said = heard(one, monkeypatch)
    answer(house, take(house))
    for _ in range(10):
        one.keeper.turn()
    assert [type(message) for message in said][:1] == [AttemptLost]
    # Then what was reported changes nothing
    one.work()
    assert house.broker.open_runs(0) == []
    record = house.broker.load_run(0, "r1")
    assert record["status"] == b"done"
    assert entries(house) == []


def test_a_task_is_lost_only_when_two_turns_see_it_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    house, one = running(lost_sweep_ms=1)
    said = heard(one, monkeypatch)
    [entry] = entries(house)
    house.server.pool(POOL).stream.delete(parse_id(entry))
    one.keeper.turn()
    assert said == []
    one.keeper.turn()
    assert [type(message) for message in said] == [AttemptLost]


@pytest.mark.parametrize("part", ["record", "log", "shared"])
def test_a_run_whose_record_or_log_was_deleted_leaves_nothing_behind(part: str) -> None:
    house, _ = running()
    partition = house.server.partitions[0]
    if part == "record":
        del partition.runs["r1"]
    elif part == "log":
        del partition.logs["r1"]
    else:
        del partition.runs["r1"]["shared"]
    house.go_on(60)
    assert house.broker.open_runs(0) == []
    if part != "record":  # nobody knows what the record named; the stale entry goes when nobody renews it
        assert entries(house) == []


def test_a_run_of_which_no_task_is_in_a_stream_goes_on() -> None:
    # Given an owner that died between the commit that withdrew an attempt and the one that was to send the next
    house, one = running()
    house.kill(one)
    record = house.server.partitions[0].runs["r1"]
    for name in [name for name in record if name[:2] in ("t:", "k:")]:
        del record[name]
    house.server.pool(POOL).drop(parse_id(entries(house)[0]))
    house.server.now_ms += 5_000
    house.start("two")
    house.go_on(4)
    assert task_of(take(house)).node == "a"


def test_damage_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    house, one = running(lost_sweep_ms=1)
    said = heard(one, monkeypatch)
    del house.server.partitions[0].logs["r1"]
    one.keeper.turn()
    one.keeper.turn()
    assert said == [RunDamaged("r1", "its log is gone")]


def test_every_open_run_is_visited_within_the_time_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(2)
    one = house.start("one", lost_sweep_ms=3_000)
    house.arrive("w")
    house.go_on(2)
    for number in range(95):
        house.submit(f"r{number}", number % 2)
    house.go_on(2)
    house.go_on(12)
    visits: list[list[tuple[int, str]]] = []
    genuine = one.broker.look_at_runs

    def look(runs: list[tuple[int, str]]) -> Any:
        visits.append(runs)
        return genuine(runs)

    monkeypatch.setattr(one.broker, "look_at_runs", look)
    for _ in range(2 * 10):
        one.keeper.turn()
    seen = [run for runs in visits for run in runs]
    assert len(set(seen)) == 95 and len(seen) >= 2 * 95 - 10
    assert max(map(len, visits)) <= 10, "a turn's slice is bounded"


def test_after_a_takeover_all_open_runs_are_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    house, one = running()
    house.kill(one)
    house.server.now_ms += 5_000
    two = house.start("two", lost_sweep_ms=3_600_000)
    visits: list[Any] = []
    genuine = two.broker.look_at_runs
    monkeypatch.setattr(two.broker, "look_at_runs", lambda runs: (visits.append(runs), genuine(runs))[1])
    two.keeper.turn()
    assert [(0, "r1")] in visits


def test_a_turn_looks_at_a_bounded_number_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(1)
    one = house.start("one", lost_sweep_ms=1)
    house.go_on(1)
    partition = house.server.partitions[0]
    partition.open.update(f"r{number}" for number in range(3 * LOST_SWEEP_RUNS_MAX))
    counts: list[int] = []
    genuine = one.broker.look_at_runs

    def look(runs: list[Any]) -> Any:
        counts.append(len(runs))
        return [type(found)({}, False) for found in genuine(runs)]

    monkeypatch.setattr(one.broker, "look_at_runs", look)
    for _ in range(3):
        one.keeper.turn()
    assert [count for count in counts if count] == [LOST_SWEEP_RUNS_MAX] * 3


def test_open_runs_that_cannot_be_read_cost_their_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    house, one = running(partitions=2, lost_sweep_ms=1)
    genuine = one.broker.open_runs

    def open_runs(p: int) -> list[str]:
        if p == 1:
            raise ServerError("WRONGTYPE open 1 is a string")
        return genuine(p)

    monkeypatch.setattr(one.broker, "open_runs", open_runs)
    said = heard(one, monkeypatch)
    [entry] = entries(house)
    house.server.pool(POOL).stream.delete(parse_id(entry))
    for _ in range(3):
        one.keeper.turn()
    assert AttemptLost in map(type, said)


def test_rubbish_in_a_record_is_no_slot() -> None:
    record = {
        "t:a:1": b"default 5-0",
        "t:ns|b:c:12": b"two words 5-1",
        "k:a:1": b"digest",
        "t:": b"default 5-0",
        "t:a:x": b"default 5-0",
        "t:b:1": b"default",
        "t:c:1": b"default 5-x",
        "t:d:1": b"\xff\xff",
    }
    assert _attempts(record) == [("a:1", ("default", "5-0")), ("ns|b:c:12", ("two words", "5-1"))]


# -- consumers -------------------------------------------------------------------------------------


def test_consumers_of_workers_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    house, _ = running()
    monkeypatch.setattr(sweep_module, "CONSUMERS_EVERY_TURNS", 2)
    pool = house.server.pool(POOL)
    take(house, "holds")
    for name in ("dead", "alive"):
        house.broker.take([POOL], name, 1, 0)
    house.server.now_ms += CONSUMER_FORGET_MS
    house.broker.take([POOL], "young", 1, 0)
    house.arrive("alive")
    pool.pending[next(iter(pool.pending))].since_ms = house.server.now_ms
    for coordinator in house.coordinators:
        for _ in range(2):
            coordinator.keeper.turn()
    assert set(pool.consumers) == {"holds", "alive", "young"}


# -- what is said ----------------------------------------------------------------------------------


def test_a_trouble_is_told_once_then_now_and_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = [100.0]
    troubles = Troubles(logging.getLogger("drumline.test"), lambda: clock[0])
    for _ in range(60):
        troubles.tell("one", "one is broken")
        clock[0] += 0.5
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        "one is broken",
        "one is broken (20 times more, since 10 s)",
        "one is broken (20 times more, since 20 s)",
    ]
    assert TELL_EVERY_S == 10.0
    # Another kind is told of at once; and the first one too, when it comes back after a long while
    troubles.tell("two", "two is broken")
    clock[0] += FORGET_S + 1
    troubles.tell("one", "one is broken")
    assert [record.getMessage() for record in caplog.records][3:] == ["two is broken", "one is broken"]


def test_kinds_of_trouble_are_bounded() -> None:
    troubles = Troubles(logging.getLogger("drumline.quiet"), lambda: 0.0)
    for number in range(5_000):
        troubles.tell(str(number), "x", level=logging.DEBUG)
    assert len(troubles._kinds) == 1_000
