"""Clocks that jump (fault 23): of a coordinator's host, of the broker. And what is leased while the broker is away."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from tests.coordinator.keepers import APPS, House, Turned

from drumline_coordinator.alarms import LOOK_MS_MAX, Alarms, begin_member
from drumline_coordinator.service import Coordinator
from drumline_coordinator.troubles import Troubles
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import NoBroker
from drumline_protocol.facts import RunFinished, RunStarted
from drumline_protocol.messages import RunRequest, TaskMessage, TaskResult, TimerDue
from drumline_transport.broker import START as BEGINNING
from drumline_transport.memory import MemoryBroker, MemoryServer

HOUR_MS = 3_600_000


def facts_of(house: House, run_id: str) -> list[Any]:
    log = house.broker.load_log(0, run_id)
    return [fact for entry in log for fact in wire.decode_facts(APPS.codec, entry.data)]


class Rung:
    """Alarms of one partition, on a clock of their own."""

    def __init__(self) -> None:
        self.server = MemoryServer(partitions=1)
        self.broker = MemoryBroker(self.server)
        self.steady_ms = 5.0
        troubles = Troubles(logging.getLogger("drumline.test"), lambda: 0.0)
        self.alarms = Alarms(self.broker, Codec(), troubles, lambda: self.steady_ms)
        self.alarms.adopt(0)

    def set(self, after_ms: int) -> None:
        """What a commit does that sets a timer."""
        timer = begin_member("r1"), round(self.alarms.now_ms(0)) + after_ms
        self.server.partition(0).timers.update([timer])
        self.alarms.committed(0, [timer], [])

    def wait(self, ms: float) -> bool:
        """Whether the timer rings when so much time goes by, with looks when the alarms ask for them."""
        while not self.told:
            rest = min(self.alarms.rest_ms(), ms)
            self.steady_ms += rest
            self.server.now_ms += round(rest)
            ms -= rest
            self.alarms.ring()
            if ms <= 0:
                break
        return self.told

    @property
    def told(self) -> bool:
        entries = self.broker.read_inbox({0: BEGINNING}, 100, 0)
        return any(type(wire.decode(Codec(), entry.data)) is TimerDue for entry in entries)


@pytest.fixture
def rung() -> Rung:
    return Rung()


def test_a_timer_rings_when_its_time_has_come(rung: Rung) -> None:
    rung.set(HOUR_MS)
    assert not rung.wait(HOUR_MS - 10)
    assert rung.wait(20)


@pytest.mark.parametrize("jump_s", [3600, -7200])
def test_the_clock_of_the_host_does_not_matter(jump_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(partitions=1)
    broker = MemoryBroker(house.server)
    service = Coordinator(broker, APPS, "one")
    service.keeper.turn()
    service.turn()
    jumped = time.time() + jump_s
    monkeypatch.setattr(time, "time", lambda: jumped)
    request = RunRequest("r1", "g", {"l": ["i"]}, after_ms=5000)
    broker.submit(0, "r1", wire.encode(APPS.codec, request))
    service.turn()
    [due] = house.server.partition(0).timers.values()
    assert 0 <= due - house.server.now_ms - 5000 < 60_000  # the test's own time goes by
    [told] = {fact.at_ms for fact in facts_of(house, "r1") if type(fact) is RunStarted}
    assert 0 <= told - house.server.now_ms < 60_000


@pytest.mark.parametrize("set_before", [True, False])
def test_a_host_that_was_suspended_looks_soon(rung: Rung, set_before: bool) -> None:
    if set_before:
        rung.set(30_000)
    rung.wait(0)
    rung.server.now_ms += HOUR_MS
    if not set_before:
        rung.wait(LOOK_MS_MAX)
        rung.set(30_000)
        assert not rung.wait(29_990)
    assert rung.wait(LOOK_MS_MAX)


def test_a_clock_of_the_broker_that_was_set_forward_is_noticed(rung: Rung) -> None:
    rung.set(3 * HOUR_MS)
    rung.wait(0)
    rung.server.now_ms += HOUR_MS
    assert not rung.wait(2 * HOUR_MS - 10)
    assert rung.wait(LOOK_MS_MAX)
    assert rung.alarms.now_ms(0) == rung.server.now_ms


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
def test_runs_go_on_over_a_jump_of_the_brokers_clock(jump_ms: int) -> None:
    """I3 and I11: entries ascend, and whoever dies behind the jump is followed."""
    house = House(partitions=1)
    house.start("one")
    house.go_on(2)
    house.submit("r1")
    house.go_on(1)
    house.server.now_ms += jump_ms
    house.go_on(2)
    house.kill(house.coordinators[0])
    house.start("two")
    house.go_on(20)
    assert house.coordinators[0].held == [0]
    [taken] = house.broker.take(["default"], "w", 5, 0)
    task: TaskMessage = wire.decode(APPS.codec, taken.data)
    result = TaskResult("r1", task.task, task.attempt, "w", [["l", ["x"]]], token=task.token, events=0)
    house.broker.publish([(0, "r1", wire.encode(APPS.codec, result))], [(taken.pool, taken.id)])
    house.submit("r2")
    house.go_on(2)
    assert house.broker.load_run(0, "r1")["status"] == b"done"
    assert house.broker.load_run(0, "r2")["status"] == b"open"
    log = house.broker.load_log(0, "r1")
    ids = [tuple(map(int, entry.id.split("-"))) for entry in log]
    assert ids == sorted(set(ids))
    facts = facts_of(house, "r1")
    assert [type(facts[0]), type(facts[-1])] == [RunStarted, RunFinished]


class Away(MemoryBroker):
    """The broker goes away when the timers of a partition are asked for."""

    away = 0

    def next_timer(self, p: int) -> tuple[int, int | None]:
        if self.away:
            self.away -= 1
            raise NoBroker("away", "127.0.0.1")
        return super().next_timer(p)


def test_what_was_leased_while_the_broker_went_away_is_served_when_it_is_back() -> None:
    house = House(partitions=4)
    broker = Away(house.server)
    coordinator = Turned(broker, "one")
    broker.away = 2
    coordinator.keeper.turn()
    for _ in range(2):
        with pytest.raises(NoBroker):
            coordinator.service.turn()
    coordinator.work()
    assert coordinator.held == [0, 1, 2, 3]
    for partition in range(4):
        house.submit(f"r{partition}", partition)
    coordinator.work()
    assert [house.broker.load_run(p, f"r{p}")["status"] for p in range(4)] == [b"open"] * 4
