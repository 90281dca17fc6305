"""What coordinators and workers count is what happened, once; and where nobody counts nothing is called."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.metrics.house import House
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.metrics.book import OTHER, UNKNOWN, VALUES_MAX, Book
from drumline.metrics.names import FAMILIES, STATUSES
from drumline.metrics.of_coordinator import CoordinatorCounts
from drumline.metrics.of_worker import WorkerCounts
from drumline.types import interrupt
from drumline_protocol import wire
from drumline_protocol.messages import AttemptLost
from drumline_worker.metering import OUTCOMES

pytest.importorskip("prometheus_client")


class State(TypedDict, total=False):
    n: int


def _fail(_state: State) -> State:
    raise ValueError("no")


def _ask(_state: State) -> State:
    return {"n": interrupt("how many?")}


def _one(node: Any, pool: str = "default") -> Any:
    builder = StateGraph(State).add_node("node", node, metadata={"pool": pool})
    return builder.add_edge(START, "node").compile()


GRAPHS = {"good": _one(lambda _state: {"n": 1}), "bad": _one(_fail), "asks": _one(_ask, "gpu")}


@pytest.fixture
def house() -> House:
    made = House(GRAPHS, CoordinatorCounts(GRAPHS), WorkerCounts(GRAPHS, 1_000_000.0))
    return made


def _value(house: House, name: str, **labels: str) -> float | None:
    books = (house.coordinator._meter._counts.book, house.worker.runner._codec._meter.book)  # type: ignore[union-attr]
    found = [book.registry.get_sample_value(name, labels) for book in books]
    return next((value for value in found if value is not None), None)


def test_what_is_known_is_there_as_0_before_anything_happens(house: House) -> None:
    for graph in GRAPHS:
        assert _value(house, "drumline_runs_started_total", graph=graph) == 0
        for status in STATUSES:
            assert _value(house, "drumline_runs_ended_total", graph=graph, status=status) == 0
    for kind in ("task", "partition"):
        assert _value(house, "drumline_takeovers_total", kind=kind) == 0


def test_runs_and_tasks_are_counted_by_how_they_end(house: House) -> None:
    for number in range(3):
        house.start(f"good-{number}", "good", {"n": 0})
    house.start("bad", "bad", {"n": 0})
    house.start("asks", "asks", {"n": 0})
    house.work()
    house.start("cut", "good", {"n": 0})
    house.coordinator.turn()
    house.cancel("cut")
    house.coordinator.turn()
    house.work()
    assert _value(house, "drumline_runs_started_total", graph="good") == 4
    assert _value(house, "drumline_runs_ended_total", graph="good", status="done") == 3
    assert _value(house, "drumline_runs_ended_total", graph="good", status="cancelled") == 1
    assert _value(house, "drumline_runs_ended_total", graph="bad", status="failed") == 1
    assert _value(house, "drumline_runs_ended_total", graph="asks", status="paused") == 1
    assert _value(house, "drumline_run_duration_seconds_count", graph="good") == 4
    assert _value(house, "drumline_interrupts_total", graph="asks") == 1
    assert (_value(house, "drumline_log_bytes_total") or 0) > 100
    assert (_value(house, "drumline_inbox_wait_seconds_count") or 0) >= 4
    labels = {"node": "node", "pool": "default"}
    assert _value(house, "drumline_tasks_total", graph="good", outcome="done", **labels) == 3
    assert _value(house, "drumline_tasks_total", graph="bad", outcome="failed", **labels) == 1
    asked = {"graph": "asks", "node": "node", "pool": "gpu", "outcome": "interrupted"}
    assert _value(house, "drumline_tasks_total", **asked) == 1
    assert _value(house, "drumline_task_duration_seconds_count", pool="gpu") == 1
    assert _value(house, "drumline_task_wait_seconds_count", pool="default") == 4


def test_a_run_of_a_graph_that_nobody_serves_makes_no_name(house: House) -> None:
    for number in range(VALUES_MAX + 5):
        house.start(f"r{number}", f"junk-{number}", {})
        house.work()
    told = _value(house, "drumline_runs_ended_total", graph=UNKNOWN, status="failed")
    assert told == VALUES_MAX + 5


def test_a_dead_worker_and_a_new_owner_are_takeovers(house: House) -> None:
    house.start("good", "good", {"n": 0})
    house.coordinator.turn()
    house.coordinator.turn()
    machine = house.coordinator._partitions[0]._runs.loaded["good"]
    (key,) = machine.digests
    task, _, attempt = key.rpartition(":")
    lost = AttemptLost("good", task, int(attempt), "w0 died", machine.digests[key], died=True)
    house.client.push_inbox(0, "good", wire.encode(house.apps.codec, lost))
    house.work()
    assert _value(house, "drumline_takeovers_total", kind="task") == 1
    assert _value(house, "drumline_attempts_retracted_total", graph="good") == 1
    assert _value(house, "drumline_takeovers_total", kind="partition") == 0
    house.server.now_ms += 60_000
    counts = CoordinatorCounts(GRAPHS)
    house.coordinator = house.coordinate("c2", counts)
    for _ in range(20):
        house.server.now_ms += 1_000
        house.coordinator.keeper.turn()
        house.coordinator.turn()
    assert _value(house, "drumline_takeovers_total", kind="partition") == 1


def test_what_the_broker_refused_is_not_counted(house: House) -> None:
    house.start("good", "good", {"n": 0})
    sent = house.lose_before_commit()
    house.coordinator.turn()
    house.coordinator.turn()
    assert sent
    assert _value(house, "drumline_runs_started_total", graph="good") == 0


def test_where_nobody_counts_nothing_is_called() -> None:
    house, called = House(GRAPHS), []

    def note(frame: Any, event: str, _arg: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "call" and (name.endswith(".metering") or name.startswith(("drumline.metrics", "prometheus"))):
            called.append((name, frame.f_code.co_name))

    house.start("good", "good", {"n": 0})
    sys.setprofile(note)
    try:
        house.work()
    finally:
        sys.setprofile(None)
    assert house.client.load_run(0, "good")["status"] == b"done"
    assert called == []


def test_a_label_has_so_many_values_and_no_more() -> None:
    book = Book("worker", ["g"])
    for number in range(VALUES_MAX + 50):
        book.of("drumline_tasks_total", "g", f"node-{number}", "default", "done").inc()
    rows = [s for m in book.registry.collect() for s in m.samples if s.name == "drumline_tasks_total"]
    assert len(rows) == VALUES_MAX + 1
    assert [row.value for row in rows if row.labels["node"] == OTHER] == [50]


def test_names_follow_the_rules_of_prometheus() -> None:
    for family in FAMILIES:
        assert family.name.startswith("drumline_")
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert bool(family.buckets) == (family.kind == "histogram")
        assert not {"run_id", "thread_id", "task_id", "run", "thread"} & set(family.labels)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert len(set(OUTCOMES)) == 6
