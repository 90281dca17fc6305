"""What a client does when a cluster, or who should serve it, is not there: it waits, says so, and leaves nothing."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Started, drumline, environment
from tests.cluster.conftest import APP
from tests.cluster.processes import Processes

from drumline import Cluster
from drumline.errors import NoCluster, NoCoordinator, NotDeleted, UnknownRun
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.messages import CancelRun, DeleteRun, RunRequest
from drumline_transport import connect
from drumline_transport.broker import START
from drumline_transport.local_server import LocalServer
from drumline_transport.redis_broker import RedisBroker

pytestmark = pytest.mark.cluster


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that give up after a moment."""
    monkeypatch.setattr("drumline.cluster.stream.ACCEPT_TIMEOUT_MS", 600)
    monkeypatch.setattr("drumline.cluster.attendance.GRACE_MS", 200)
    monkeypatch.setattr("drumline.cluster.link.ACCEPT_TIMEOUT_MS", 300)
    monkeypatch.setattr("drumline.cluster.link.DELETE_TIMEOUT_MS", 300)
    monkeypatch.setattr("drumline.cluster.stream.READ_BLOCK_MS", 100)


@pytest.fixture
def admin(server: LocalServer, prefix: str) -> Iterator[RedisBroker]:
    """A broker that looks at the cluster's keys, which it creates; nobody serves it."""
    broker = connect(server.url, prefix=prefix, name="admin", create=True)
    assert isinstance(broker, RedisBroker)
    yield broker
    broker.close()


def requests(broker: RedisBroker) -> list[Any]:
    """What clients asked for, in all partitions."""
    codec = Codec(TypeTable())
    entries = broker.read_inbox(dict.fromkeys(range(broker.partitions), START), 100, 0)
    return [wire.decode(codec, entry.data) for entry in entries]


def keys_of(server: LocalServer, prefix: str) -> list[bytes]:
    looker: Any = connect(server.url, prefix="looker", create=True)
    try:
        return [key for key in looker._any.call("KEYS", "*") if prefix.encode() in key]
    finally:
        looker.close()


STARTS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda graph: graph.invoke({"topic": "x"}),
    "stream that goes on when closed": lambda graph: list(graph.stream({"topic": "x"}, on_close="continue")),
    "start": lambda graph: graph.start({"topic": "x"}),
    "ainvoke": lambda graph: asyncio.run(graph.ainvoke({"topic": "x"})),
    "astart": lambda graph: asyncio.run(graph.astart({"topic": "x"})),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.usefixtures("impatient")
def test_a_request_that_nobody_accepts_is_withdrawn(
    server: LocalServer, prefix: str, admin: RedisBroker, start: Callable[[Any], Any]
) -> None:
    with (
        Cluster(server.url, prefix=prefix) as cluster,
        pytest.raises(NoCoordinator, match=r"no coordinator is registered .* within 0\.\d s"),
    ):
        start(cluster.graph("joke"))
    asked, withdrawn = requests(admin)
    assert isinstance(asked, RunRequest)
    assert withdrawn == CancelRun(asked.run_id, "nobody accepted it in time")


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.usefixtures("impatient")
def test_without_a_cluster_nothing_is_written(server: LocalServer, prefix: str, start: Callable[[Any], Any]) -> None:
    with Cluster(server.url, prefix=prefix) as cluster:
        told = rf"no cluster with prefix '{prefix}'.*waited 0\.\d s.*drumline coordinator"
        with pytest.raises(NoCluster, match=told):
            start(cluster.graph("joke"))
        assert keys_of(server, prefix) == []


@pytest.mark.parametrize("look", ["result", "status", "cancel", "delete", "join"])
def test_a_look_does_not_wait_and_does_not_write(server: LocalServer, prefix: str, look: str) -> None:
    began = time.monotonic()
    with Cluster(server.url, prefix=prefix) as cluster, pytest.raises(NoCluster) as caught:
        list(getattr(cluster, look)("some-run"))
    assert time.monotonic() - began < 5
    assert "waited" not in str(caught.value)
    assert keys_of(server, prefix) == []


@pytest.mark.parametrize("words", [("ps",), ("health", "worker"), ("health", "coordinator")])
def test_the_command_line_looks_without_writing(
    server: LocalServer, prefix: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = drumline(*words, "--prefix", prefix, cwd=tmp_path, env=environment(DRUMLINE_BROKER=server.url))
    assert done.returncode == 1
    assert f"no cluster with prefix '{prefix}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert keys_of(server, prefix) == []


def test_a_client_and_a_worker_that_come_first_wait_for_the_coordinator(
    server: LocalServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drumline.cluster.attendance.GRACE_MS", 10_000)  # this machine may be slow
    processes, results = Processes(server.url, APP, prefix=prefix), []

    def said() -> str:
        role = processes.roles.get("w0")
        return "".join(role.lines) if role else ""

    with Cluster(server.url, prefix=prefix) as cluster:
        worker = threading.Thread(target=lambda: processes.start("worker", "w0"))
        client = threading.Thread(target=lambda: results.append(cluster.graph("joke").invoke({"topic": "x"})))
        try:
            worker.start()
            deadline = time.monotonic() + 20
            while "waiting for the first coordinator" not in said():
                assert worker.is_alive() and time.monotonic() < deadline
                worker.join(0.05)
            client.start()
            client.join(0.2)
            assert client.is_alive() and keys_of(server, prefix) == []
            processes.start("coordinator", "c0", "--partitions", "3")
            worker.join(30)
            client.join(30)
            assert results and cluster.broker().partitions == 3
        finally:
            processes.close()


def test_a_worker_that_waits_for_a_cluster_stops_when_told(server: LocalServer, prefix: str) -> None:
    words = ("worker", "tests.cluster.apps:GRAPHS", "--prefix", prefix, "--broker", server.url, "--name", "w")
    worker = Started(*words, cwd=Path(__file__).parents[2], env=environment())
    try:
        worker.await_line("waiting for the first coordinator")
        assert worker.end(signal.SIGTERM) == 0
    finally:
        worker.close()
    assert keys_of(server, prefix) == []


# -- deleting ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
def test_deleting_asks_and_says_when_nobody_does_it(server: LocalServer, prefix: str, admin: RedisBroker) -> None:
    with Cluster(server.url, prefix=prefix) as cluster:
        with pytest.raises(UnknownRun):
            cluster.delete("run")
        assert requests(admin) == [], "nothing is asked for a run that is not there"
        record = admin._keys.run(cluster.link.partition("run"), "run")
        admin._any.call("HSET", record, "status", "done")
        with pytest.raises(NotDeleted, match=r"'run' within 0\.3 s"):
            cluster.delete("run")
        with pytest.raises(NotDeleted):
            asyncio.run(cluster.adelete("run"))
        assert requests(admin) == [DeleteRun("run")] * 2


def test_deleting_returns_when_record_and_log_are_gone(server: LocalServer, prefix: str, admin: RedisBroker) -> None:
    with Cluster(server.url, prefix=prefix) as cluster:
        p = cluster.link.partition("run")
        record, log = admin._keys.run(p, "run"), admin._keys.log(p, "run")
        admin._any.call("HSET", record, "status", "done")
        admin._any.call("XADD", log, "1-1", "f", "1", "d", "x")
        ended = threading.Event()
        deleting = threading.Thread(target=lambda: (cluster.delete("run"), ended.set()))
        deleting.start()
        while not requests(admin):  # what a coordinator hears
            deleting.join(0.02)
        admin._any.call("DEL", record)
        assert not ended.wait(0.3), "the log is still there"
        admin._any.call("DEL", log)
        assert ended.wait(10)
        deleting.join()
