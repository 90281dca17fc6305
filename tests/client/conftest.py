"""A cluster inside of this process for the client's tests, and a client without any cluster behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.client.graphs import GRAPHS
from tests.client.scripted import Script
from tests.inside import Inside
from tests.servers import session_server

from drumline import Cluster
from drumline_transport.local_server import LocalServer

__all__ = ["session_server"]


@pytest.fixture(scope="session")
def inside(server: LocalServer) -> Iterator[Inside]:
    """One coordinator and one worker."""
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        made.worker()
        yield made


@pytest.fixture(scope="session")
def cluster(inside: Inside) -> Cluster:
    """A client of it that was given no classes."""
    return inside.client()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """The double in place of a broker, and no service on it: the test says what a coordinator would."""
    made = Script()
    monkeypatch.setattr("drumline_transport.redis_broker.connect", made.connect)
    return made


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits ten seconds for a coordinator that the test does not write."""
    for module in ("link", "stream"):
        monkeypatch.setattr(f"drumline.cluster.{module}.ACCEPT_TIMEOUT_MS", 50)
