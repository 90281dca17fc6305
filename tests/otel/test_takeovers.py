"""What spans tell when somebody dies: attempts, commits that are refused, runs that another coordinator ends."""

from __future__ import annotations

from typing import Any

import pytest
from tests.metrics.house import House
from tests.metrics.test_counts import GRAPHS
from tests.otel.told import PARENT, SPAN, Told, attributes, id_of, linked

from drumline_protocol import wire
from drumline_protocol.messages import AttemptLost

STREAM = "drumline:tasks:default"


@pytest.fixture
def house(told: Told) -> House:
    return House(GRAPHS, tracer=told.tracer)


def die(house: House) -> None:
    """The worker has run its task, and dies before anybody hears of it."""
    house.worker.runner.take(0)
    assert house.worker.outbox.claim()  # so its threads leave the sending to somebody else
    assert house.run_taken()
    (machine,) = house.coordinator._partitions[0]._runs.loaded.values()
    (key,) = machine.digests
    task, _, attempt = key.rpartition(":")
    lost = AttemptLost("run", task, int(attempt), "w1 died", machine.digests[key], died=True)
    house.client.push_inbox(0, "run", wire.encode(house.apps.codec, lost))
    house.worker = house.employ("w2")


def test_an_attempt_that_is_taken_again_is_a_second_consumer_of_the_same_message(house: House, told: Told) -> None:
    house.start("run", "good", {"n": 0}, traceparent=PARENT)
    house.coordinator.turn()
    house.coordinator.turn()
    die(house)
    house.coordinator.turn()
    house.work()
    first, second = told.named(f"process {STREAM}")
    assert [attributes(span)["drumline.attempt"] for span in (first, second)] == [1, 2]
    assert [attributes(span)["drumline.worker"] for span in (first, second)] == ["w1", "w2"]
    assert linked(first) == linked(second) == [id_of(told.one(f"send {STREAM}"))]
    assert told.line(first) == told.line(second) == [f"process {STREAM}", "invoke_workflow good", SPAN]


def test_what_the_broker_refused_shows_nowhere(house: House, told: Told) -> None:
    house.start("run", "good", {"n": 0})
    sent = house.lose_before_commit()
    for _ in range(3):
        house.coordinator.turn()
    assert [len(commit.tasks) for commit in sent] == [1]
    assert told.spans == ()


def test_a_run_that_another_coordinator_ends_is_told_by_that_one(house: House, told: Told) -> None:
    house.start("run", "good", {"n": 0}, traceparent=PARENT)
    house.coordinator.turn()
    house.coordinator.turn()
    begun_ms = house.server.now_ms
    house.server.now_ms += 60_000
    house.coordinator = house.coordinate("c2")
    for _ in range(20):
        house.server.now_ms += 1_000
        house.coordinator.keeper.turn()
        house.coordinator.turn()
    house.work()
    run = told.one("invoke_workflow good")
    assert attributes(run)["drumline.taken_over"] is True and attributes(run)["drumline.status"] == "done"
    assert run.start_time == begun_ms * 1_000_000
    tasks = told.named(f"process {STREAM}")
    assert tasks and all(task.parent == run.parent for task in tasks)  # below the span that never ended


def test_a_run_that_is_cancelled_or_deleted_ends_its_span(house: House, told: Told) -> None:
    house.start("run", "good", {"n": 0})
    house.coordinator.turn()
    house.cancel("run")
    for _ in range(3):
        house.coordinator.turn()
    assert attributes(told.one("invoke_workflow good"))["drumline.status"] == "cancelled"


@pytest.mark.parametrize("hostile", ["x" * 1_000_000, "\0", "garbage", f"{PARENT}-", "00-" + "0" * 52])
def test_a_request_with_a_hostile_context_runs_and_takes_it_nowhere(told: Told, hostile: str) -> None:
    for tracer in (None, told.tracer):
        house = House(GRAPHS, tracer=tracer)
        house.start("run", "good", {"n": 0}, traceparent=hostile, tracestate=hostile)
        house.coordinator.turn()
        house.coordinator.turn()
        shared = house.coordinator._partitions[0]._runs.loaded["run"].run.shared
        assert hostile not in (shared.traceparent, shared.tracestate) and len(shared.traceparent) in (0, 55)
        house.work()
        assert house.client.load_run(0, "run")["status"] == b"done"
    assert told.one("invoke_workflow good").parent is None


def test_without_spans_of_its_own_a_coordinator_passes_a_context_on(told: Told) -> None:
    house = House(GRAPHS, tracer=told.tracer)
    house.coordinator._spans = house.coordinator._meter = None
    house.start("run", "good", {"n": 0}, traceparent=PARENT)
    for partition in house.coordinator._partitions.values():
        partition._spans = None
        partition._is_counted = False
    house.work()
    assert told.line(told.one(f"process {STREAM}")) == [f"process {STREAM}", SPAN]


class Broken:
    """A processor that raises whatever it is told."""

    def on_start(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    def on_end(self, *_: Any) -> None:
        raise RuntimeError("broken")

    on_ending = _on_ending = on_end

    def shutdown(self) -> None: ...

    def force_flush(self, *_: Any) -> bool:
        raise RuntimeError("broken")


def test_a_broken_exporter_harms_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("drumline_transport.spans._warned", set())
    for ends_only in (False, True):
        broken = Told()
        broken.install(monkeypatch)
        processor: Any = Broken()
        if ends_only:
            processor.on_start = lambda *_, **__: None
        broken.provider.add_span_processor(processor)
        house = House(GRAPHS, tracer=broken.tracer)
        for run in ("r1", "r2"):
            house.start(run, "good", {"n": 0}, traceparent=PARENT)
            house.work()
            assert house.client.load_run(0, run)["status"] == b"done"
        assert GRAPHS["good"].invoke({"n": 0}) is not None
        broken.tracer.flush(1)
    texts = [record.message for record in caplog.records if "OpenTelemetry" in record.message]
    assert len(texts) == 3 and all("broken" in text for text in texts)  # once for each kind
