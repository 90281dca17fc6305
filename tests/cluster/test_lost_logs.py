"""A log that is gone, or has a hole: its readers hear of it by name, and neither wait for ever nor go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import APP
from tests.cluster.processes import running

from drumline import Cluster
from drumline.errors import LogGap, RunExpired, UnknownRun
from drumline_protocol.keys import Keys
from drumline_transport.local_server import LocalServer

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(server: LocalServer) -> Iterator[Cluster]:
    """One coordinator, two workers."""
    with running(server.url, APP, workers=2) as (_, client):
        yield client


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drumline.cluster.stream.READ_BLOCK_MS", 50)


def keys_of(cluster: Cluster, run_id: str) -> tuple[str, str]:
    """Where record and log of a run lie."""
    keys, p = Keys(cluster.prefix), cluster.link.partition(run_id)
    return keys.run(p, run_id), keys.log(p, run_id)


def raw(cluster: Cluster, *words: Any) -> Any:
    """A command as an operator would type it."""
    broker: Any = cluster.broker()
    return broker._any.call(*words)


def finished(cluster: Cluster, count: int = 60) -> str:
    """A run with a long log."""
    run_id = cluster.graph("tokens").start({"count": count, "pause_s": 0.005, "mark": ""})
    cluster.result(run_id)
    return run_id


def read(cluster: Cluster, run_id: str) -> list[Any]:
    return list(cluster.join(run_id, stream_mode="custom"))


def aread(cluster: Cluster, run_id: str) -> list[Any]:
    async def collect() -> list[Any]:
        return [item async for item in cluster.ajoin(run_id, stream_mode="custom")]

    return asyncio.run(collect())


READS: dict[str, Callable[[Cluster, str], Any]] = {"join": read, "ajoin": aread, "result": Cluster.result}


@pytest.mark.parametrize("reads", READS.values(), ids=READS)
@pytest.mark.parametrize("hole", [0, 3, 40])
def test_a_hole_in_a_log(cluster: Cluster, hole: int, reads: Callable[[Cluster, str], Any]) -> None:
    run_id = finished(cluster)
    _, log = keys_of(cluster, run_id)
    rows = raw(cluster, "XRANGE", log, "-", "+")
    hole = min(hole, len(rows) - 2)  # a busy machine makes fewer and larger entries
    lost, following = rows[hole], rows[hole + 1]
    raw(cluster, "XDEL", log, lost[0])
    with pytest.raises(LogGap) as caught:
        reads(cluster, run_id)
    assert (caught.value.wanted, caught.value.found) == (int(lost[1][1]), int(following[1][1]))
    assert caught.value.run_id == run_id


@pytest.mark.parametrize("what", ["log", "record", "both"])
def test_a_run_that_vanishes_under_its_reader(cluster: Cluster, mark: Path, what: str) -> None:
    stream = cluster.graph("waiting").stream({"mark": str(mark)}, stream_mode="custom", on_close="continue")
    assert next(stream) == "waiting"
    record, log = keys_of(cluster, stream.run_id)
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            next(stream)
        except BaseException as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    raw(cluster, "DEL", *{"log": [log], "record": [record], "both": [record, log]}[what])
    waiting.join(20)
    assert not waiting.is_alive()
    assert [type(error) for error in ended] == [RunExpired], ended
    cluster.link.cancel(stream.run_id, "the test is over")


def test_a_log_that_expires_between_two_reads(cluster: Cluster) -> None:
    run_id = finished(cluster)
    stream = cluster.join(run_id, stream_mode="custom")
    assert next(stream) == {"token": 0}
    raw(cluster, "DEL", *keys_of(cluster, run_id))
    items: list[Any] = []
    with pytest.raises(RunExpired, match=run_id):
        items.extend(stream)
    for call in (cluster.result, cluster.status, lambda run: list(cluster.join(run))):
        with pytest.raises(UnknownRun):
            call(run_id)


def test_the_status_of_a_run_whose_log_lost_its_beginning(cluster: Cluster, mark: Path) -> None:
    run_id = cluster.graph("waiting").start({"mark": str(mark)})
    _, log = keys_of(cluster, run_id)
    first = raw(cluster, "XRANGE", log, "-", "+", "COUNT", 1)[0]
    raw(cluster, "XDEL", log, first[0])
    assert cluster.status(run_id)["status"] == "open"
    cluster.link.cancel(run_id, "the test is over")
