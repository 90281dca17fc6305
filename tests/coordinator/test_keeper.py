"""The keeper's rules, each of which somebody would miss: leases, shares, takeover, who is told what."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from tests.coordinator.keepers import APPS, TURN_MS, House

from drumline_coordinator import keeper as keeper_module
from drumline_coordinator.balance import LOSSES_FREE, TURNS_PER_LEASE
from drumline_coordinator.keeper import Keeper, _graphs
from drumline_coordinator.service import CoordinatorSettings
from drumline_protocol.errors import NoBroker
from drumline_protocol.limits import COORDINATOR_LEASE_MS, PRESENCE_BYTES_MAX, PRESENCE_TTL_MS
from drumline_protocol.messages import WorkersChanged
from drumline_transport.errors import ServerError
from drumline_transport.memory import MemoryBroker, MemoryServer


def epochs(house: House) -> dict[int, int]:
    return {row["partition"]: row["epoch"] for row in house.broker.lease_owners()}


def owners(house: House) -> dict[int, str]:
    return {row["partition"]: row["owner"].partition("#")[0] for row in house.broker.lease_owners()}


# -- leases ----------------------------------------------------------------------------------------


def test_over_ten_quiet_leases_nothing_lapses() -> None:
    house = House()
    one, two = house.start("one"), house.start("two")
    house.go_on(12)
    before, shares = epochs(house), (one.held, two.held)
    for _ in range(10 * TURNS_PER_LEASE):
        house.go_on(1)
        assert all(row["remaining_ms"] > 0 for row in house.broker.lease_owners())
    assert epochs(house) == before
    assert (one.held, two.held) == shares


def test_a_second_coordinator_gets_its_share() -> None:
    house = House()
    one = house.start("one")
    house.go_on(4)
    assert one.held == [0, 1, 2, 3]
    two = house.start("two")
    house.go_on(6)
    assert (one.held, two.held) == ([0, 1], [2, 3])


def test_a_dead_ones_partitions_are_taken_within_a_lease_and_a_turn() -> None:
    house = House()
    one, two = house.start("one"), house.start("two")
    house.go_on(8)
    house.kill(one)
    house.go_on(TURNS_PER_LEASE - 1)
    assert two.held == [2, 3]
    house.go_on(1)
    assert two.held == [0, 1, 2, 3]


def test_the_epoch_rises_at_each_takeover() -> None:
    house = House(1)
    one = house.start("one")
    house.go_on(2)
    first = epochs(house)[0]
    house.kill(one)
    two = house.start("two")
    house.go_on(6)
    assert two.held == [0]
    assert epochs(house)[0] > first >= 1_700_000_000_000


def test_a_lease_that_was_lost_is_noticed() -> None:
    # Given a coordinator that stood still for so long that another took over
    house = House(1)
    one = house.start("one")
    house.go_on(2)
    house.kill(one)
    two = house.start("two")
    house.go_on(6)
    assert (one.held, two.held) == ([0], [0])
    # When it goes on, then its first turn tells it
    one.turn()
    assert one.held == []
    assert owners(house) == {0: "two"}


def test_a_partition_that_was_thrown_away_is_leased_anew_under_a_new_epoch() -> None:
    house = House(2)
    one = house.start("one")
    house.go_on(2)
    before = epochs(house)
    one.service._forget(1)
    assert one.held == [0]
    assert one.keeper._wake.is_set()
    house.go_on(1)
    assert one.held == [0, 1]
    assert epochs(house)[0] == before[0] and epochs(house)[1] > before[1]
    # And when that happens again and again without a commit, nobody is woken for it
    for _ in range(LOSSES_FREE + 1):
        one.keeper._wake.clear()
        one.service._forget(1)
    assert not one.keeper._wake.is_set()


def test_leases_are_released_when_a_keeper_stops() -> None:
    house = House()
    one = house.start("one")
    house.go_on(2)
    one.keeper.stop()
    one.keeper.run()
    assert owners(house) == dict.fromkeys(range(4), "")
    assert house.broker.members("coordinators") == {}
    two = house.start("two")
    house.kill(one)
    house.go_on(1)
    assert two.held == [0, 1, 2, 3]


def test_a_partition_is_released_only_when_the_main_loop_let_go_of_it() -> None:
    house = House()
    one = house.start("one")
    house.go_on(2)
    house.broker.beat("coordinators", "two", b"")
    one.keeper.turn()
    one.keeper.turn()
    assert owners(house)[3] == "one"
    one.work()
    assert one.held == [0, 1]
    assert owners(house) == {0: "one", 1: "one", 2: "", 3: ""}


# -- workers ---------------------------------------------------------------------------------------


def told(house: House) -> list[Any]:
    return [message for message in house.inbox() if isinstance(message, WorkersChanged)]


def test_partitions_are_told_of_workers_only_when_somebody_new_came(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(1)
    calls: list[int] = []
    monkeypatch.setattr(Keeper, "_tell_of_workers", lambda _self, index: calls.append(index))
    one = house.start("one")
    house.go_on(1)
    assert calls == [0], "a new owner offers parked tasks to those who came before"
    house.go_on(3)
    assert calls == [0]
    house.arrive("w1")
    house.go_on(3)
    assert calls == [0, 0]
    house.arrive("w1")
    house.go_on(2)
    assert calls == [0, 0], "it was there before"
    house.arrive("w2")
    house.go_on(1)
    assert calls == [0, 0, 0]
    # And when a partition asks for it
    one.keeper.retry_later(0)
    house.go_on(3)
    assert calls == [0, 0, 0, 0]


def test_who_could_not_be_told_is_told_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(1)
    one = house.start("one")
    house.arrive("w1")

    def refuse(*_args: Any) -> None:
        raise NoBroker("memory://", "gone for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(one.broker, "push_inbox", refuse)
        with pytest.raises(NoBroker):
            one.keeper.turn()
    one.keeper.turn()
    assert told(house) == [WorkersChanged(0)]


def test_who_holds_a_graph_is_counted_while_it_is_heard_of() -> None:
    house = House(1)
    one = house.start("one")
    fingerprint = APPS.programs["g"].fingerprint
    house.arrive("w1")
    house.arrive("w2")
    house.broker.beat("workers", "w3", b"\xff rubbish")
    house.go_on(1)
    assert one.keeper.holders("g", fingerprint) == 2
    house.server.now_ms += PRESENCE_TTL_MS
    house.arrive("w1")
    house.go_on(1)
    assert one.keeper.holders("g", fingerprint) == 1


@pytest.mark.parametrize(
    "info",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"graphs": []}',
        b'{"graphs": {"g": {}}}',
        b"[" * 200_000,
        b'"' + b"x" * PRESENCE_BYTES_MAX + b'"',
    ],
    ids=["empty", "bytes", "list", "null", "list inside", "no fingerprint", "deep", "huge"],
)
def test_what_is_no_workers_word_holds_no_graph(info: bytes) -> None:
    assert list(_graphs(info)) == []


# -- trouble ---------------------------------------------------------------------------------------


class Renewer:
    """Hears what a keeper tells."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, list[int]]] = []

    def tell(self, info: bytes, held: Sequence[int] = ()) -> None:
        self.heard.append((info, list(held)))


def test_the_renewer_hears_in_each_turn_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(2)
    one = house.start("one")
    one.keeper.renewer = renewer = Renewer()  # type: ignore[assignment]
    house.go_on(2)
    assert [held for _, held in renewer.heard] == [[0, 1], [0, 1]], "what was gained in a turn too"
    assert renewer.heard[1][0] == house.broker.members("coordinators")["one"][0]
    assert {row["owner"] for row in house.broker.lease_owners()} == {one.keeper.nonce}

    # And nothing when nothing was renewed: it must do so itself then
    def refuse(*_args: Any) -> None:
        raise NoBroker("memory://", "gone for a moment")

    monkeypatch.setattr(one.broker, "survey", refuse)
    with pytest.raises(NoBroker):
        one.keeper.turn()
    assert len(renewer.heard) == 2


class Script:
    """Turns of a keeper that go as they are told; the last one stops it."""

    def __init__(self, keeper: Keeper, steps: list[BaseException | None]) -> None:
        self._keeper = keeper
        self._steps = steps
        self.taken = 0

    def __call__(self) -> None:
        self._keeper.wake()
        step = self._steps[self.taken]
        self.taken += 1
        if self.taken == len(self._steps):
            self._keeper.stop()
        if step is not None:
            raise step


def run_through(steps: list[BaseException | None], monkeypatch: pytest.MonkeyPatch) -> Keeper:
    keeper = Keeper(MemoryBroker(MemoryServer(1)), APPS, "one", CoordinatorSettings())
    script = Script(keeper, steps)
    monkeypatch.setattr(keeper, "turn", script)
    keeper.run()
    return keeper


def test_an_error_in_a_turn_is_told_once_and_the_keeper_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    steps = [TypeError("odd"), TypeError("odd"), NoBroker("x", "y"), NoBroker("x", "y"), RecursionError("deep"), None]
    keeper = run_through(steps, monkeypatch)  # type: ignore[arg-type]
    assert keeper.failure is None
    lines = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in lines] == [logging.ERROR, logging.WARNING, logging.ERROR]
    assert "odd" in lines[0][1] and "waits for the broker" in lines[1][1] and "deep" in lines[2][1]


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_error_ends_the_process_loudly(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = run_through([error, None], monkeypatch)
    assert isinstance(keeper.failure, RuntimeError) and keeper.failure.__cause__ is error
    assert keeper.changed.is_set()


def test_turns_that_all_fail_end_the_process_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "BAD_TURNS_MAX", 3)
    assert run_through([TypeError(), TypeError(), None, TypeError(), TypeError(), None], monkeypatch).failure is None
    assert run_through([TypeError(), TypeError(), TypeError(), None], monkeypatch).failure is not None


@pytest.mark.parametrize("step", ["stale", "lost", "consumers"])
def test_a_sweep_that_fails_costs_no_lease(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    one = house.start("one")

    def fail(*_args: Any) -> None:
        raise TypeError("odd")

    fail.__name__ = step
    monkeypatch.setattr(one.keeper._sweep, step, fail)
    house.arrive("w1")
    house.go_on(3 * TURNS_PER_LEASE)
    assert one.held == [0, 1, 2, 3]
    assert all(row["remaining_ms"] > 0 for row in house.broker.lease_owners())
    assert one.keeper.holders("g", APPS.programs["g"].fingerprint) == 1


def test_an_inbox_that_cannot_be_written_costs_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(2)
    one = house.start("one")
    genuine = one.broker.push_inbox

    def push(p: int, run_id: str, data: bytes) -> None:
        if p == 0:
            raise ServerError("WRONGTYPE inbox 0 is a hash")
        genuine(p, run_id, data)

    monkeypatch.setattr(one.broker, "push_inbox", push)
    one.keeper.turn()
    assert house.inbox(1) == [WorkersChanged(1)]


# -- who sweeps ------------------------------------------------------------------------------------


def test_the_holder_of_the_first_partition_alone_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    one, two = house.start("one"), house.start("two")
    swept: list[str] = []
    for coordinator in (one, two):
        name = coordinator.name
        monkeypatch.setattr(coordinator.keeper._sweep, "stale", lambda _home, name=name: swept.append(name))
    house.go_on(8)
    assert (one.held, two.held) == ([0, 1], [2, 3])
    swept.clear()
    house.go_on(3)
    assert swept == ["one"] * 3
    # When it dies, then the other one does, at the latest in the turn that takes the partition over
    house.kill(one)
    house.go_on(TURNS_PER_LEASE)
    swept.clear()
    house.go_on(1)
    assert swept == ["two"]


def test_turns_are_a_quarter_of_a_lease() -> None:
    assert COORDINATOR_LEASE_MS == 1_200 and TURN_MS == 300


def test_the_renewer_hears_of_new_leases_before_the_main_loop_does() -> None:
    """The main loop may hold the interpreter as soon as it has them."""
    house = House(4)
    one = house.start("one")
    told: list[tuple[list[int], bool]] = []

    class Renewer:
        def tell(self, _info: bytes, held: Sequence[int] = ()) -> None:
            told.append((list(held), one.keeper.changed.is_set()))

        def close(self) -> None: ...

    one.keeper.renewer = Renewer()  # type: ignore[assignment]
    one.keeper.turn()
    assert told == [([0, 1, 2, 3], False)]
    assert one.keeper.changed.is_set()
