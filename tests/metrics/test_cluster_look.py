"""What the exporter tells of a cluster is what lies in its keys, at that moment; and nothing when it cannot look."""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tests.cli.command import SERVED, Started, drumline, environment
from tests.metrics.house import House
from tests.metrics.test_counts import GRAPHS

from drumline.cli.main import main
from drumline.metrics.book import Looked, MetricsNotInstalled, library_of_numbers
from drumline.metrics.names import BY_NAME
from drumline.metrics.of_cluster import ClusterLook, look
from drumline.metrics.of_gateway import GatewayCounts
from drumline.metrics.serving import exposition, served_at
from drumline.settings import Settings, UsageError, parse_place
from drumline_protocol.limits import PRESENCE_TTL_MS
from drumline_transport.backoff import Pause
from drumline_transport.dead import DeadEntry
from drumline_transport.local_server import LocalServer

pytest.importorskip("prometheus_client")


def test_gauges_are_what_lies_there() -> None:
    house = House(GRAPHS)
    house.worker.keeper.beat()
    for number in range(3):
        house.start(f"good-{number}", "good", {})
    house.start("asks", "asks", {})
    house.coordinator.turn()
    house.coordinator.turn()
    house.worker.runner._pools.remove("gpu")
    house.worker.runner.take(0)
    house.server.now_ms += 2_500
    house.client.push_inbox(0, "good-0", b"not yet read")
    house.client.set_aside(0, DeadEntry("inbox", "1-1", "", "junk", b"x"))
    found = look(house.client)
    assert set(found) <= set(BY_NAME)
    assert found["drumline_broker_up"] == {(): 1}
    assert found["drumline_workers"] == {("default",): 1, ("gpu",): 1}
    assert found["drumline_pool_slots"] == {("default",): 8, ("gpu",): 8}
    assert found["drumline_pool_tasks_running"] == {("default",): 2, ("gpu",): 0}
    assert found["drumline_pool_tasks_waiting"] == {("default",): 1, ("gpu",): 1}
    assert found["drumline_pool_oldest_wait_seconds"] == {("default",): 2.5, ("gpu",): 2.5}
    assert found["drumline_inbox_lag_entries"] == {("0",): 1}
    assert (found["drumline_runs_open"], found["drumline_dead_entries"]) == ({(): 4}, {(): 1})


def test_a_pool_that_no_worker_takes_and_a_partition_that_nobody_holds_are_told() -> None:
    house = House(GRAPHS)
    house.start("asks", "asks", {})
    house.coordinator.turn()
    house.server.now_ms += 1_000
    found = look(house.client)
    assert found["drumline_workers"] == {("default",): 0, ("gpu",): 0}
    assert found["drumline_pool_tasks_waiting"][("gpu",)] == 1
    house.server.now_ms += PRESENCE_TTL_MS + 1
    found = look(house.client)
    assert found["drumline_partitions"] == {("held",): 0, ("unowned",): 1, ("away",): 0}
    assert found["drumline_coordinators"] == {(): 0}


def test_many_scrapes_share_a_look_and_a_broker_that_is_away_is_told() -> None:
    house, asked = House(GRAPHS), []
    genuine = house.client.measure
    house.client.measure = lambda pools: (asked.append(1), genuine(pools))[1]  # type: ignore[method-assign]
    at = ClusterLook(house.client)
    for _ in range(5):
        assert at()["drumline_broker_up"] == {(): 1}
    assert len(asked) == 1
    house.client.close()
    at = ClusterLook(house.client)
    assert at() == {"drumline_broker_up": {(): 0}}
    text = exposition(Looked(at).registry)[0].decode()
    assert "drumline_broker_up 0.0" in text and "drumline_pool" not in text


def test_what_a_gateway_counts() -> None:
    counts = GatewayCounts()
    counts.answered("GET", "/threads/{thread_id}", 200, 0.01)
    counts.stream_opened()
    counts.stream_opened()
    counts.stream_closed()
    counts.gap()
    text, kind = exposition(counts.book.registry)
    assert kind.startswith("text/plain")
    for line in (
        'drumline_http_requests_total{code="200",method="GET",route="/threads/{thread_id}"} 1.0',
        "drumline_streams_open 1.0",
        "drumline_stream_gaps_total 1.0",
    ):
        assert line in text.decode()


# -- where they are read ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"), [("9464", ("127.0.0.1", 9464)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("[::1]:0", ("::1", 0))]
)
def test_places(text: str, place: tuple[str, int]) -> None:
    assert parse_place(text) == place
    assert Settings(environment={"DRUMLINE_METRICS_PORT": text}).metrics_place() == place


@pytest.mark.parametrize("text", ["", "x", ":1", "-1", "65536", "host:", "host:x"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        parse_place(text)


def test_a_port_that_is_taken_is_told() -> None:
    registry = GatewayCounts().book.registry
    with served_at(("127.0.0.1", 0), registry) as address:
        port = address.rpartition(":")[2].partition("/")[0]
        with pytest.raises(UsageError, match=port), served_at(("127.0.0.1", int(port)), registry):
            pass


def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MetricsNotInstalled):
        library_of_numbers()
    assert main(["coordinator", SERVED, "--broker", "redis://127.0.0.1:1", "--metrics-port", "0"]) == 1
    assert 'pip install "drumline[metrics]"' in capsys.readouterr().err


def _read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return str(answer.read().decode())


def _await(address: str, line: str) -> None:
    """Look until it is told: a coordinator hears of its commit with its next turn."""
    deadline, pause = time.monotonic() + 30, Pause()
    while line not in (text := _read(address)):
        assert time.monotonic() < deadline, text
        pause.wait()


@pytest.mark.cluster
def test_each_role_tells_its_numbers(server: LocalServer, tmp_path: Path) -> None:
    broker = ["--broker", server.url, "--metrics-port", "0"]
    started = [
        Started("coordinator", SERVED, *broker, cwd=tmp_path, env=environment()),
        Started("worker", SERVED, *broker, cwd=tmp_path, env=environment()),
    ]
    try:
        addresses = [each.await_line(r"tells its numbers at (\S+)")[1] for each in started]
        for each in started:
            each.await_line(" ready: ")
        started.append(Started("exporter", *broker, "--log-format", "json", cwd=tmp_path, env=environment()))
        line = json.loads(started[-1].await_line("exporter ready").string)
        addresses.append(line["message"].removeprefix("exporter ready: "))
        done = drumline("run", "joke", "--input", '{"topic": "cats"}', "--broker", server.url, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        _await(addresses[0], 'drumline_runs_ended_total{graph="joke",status="done"} 1.0')
        _, worker, exporter = map(_read, addresses)
        assert 'drumline_tasks_total{graph="joke",node="joke",outcome="done",pool="default"} 1.0' in worker
        assert 'drumline_partitions{owner_state="held"} 8.0' in exporter
        assert 'drumline_workers{pool="default"} 1.0' in exporter
        assert 'drumline_workers{pool="gpu"} 0.0' in exporter
        assert [each.end(signal.SIGTERM) for each in started] == [0, 0, 0]
    finally:
        for each in started:
            each.close()
