"""One cluster inside of this process for the services' tests, and the server under it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.inside import Inside
from tests.servers import session_server
from tests.services.graphs import GRAPHS

from drumline import Cluster
from drumline_transport.local_server import LocalServer

__all__ = ["session_server"]


@pytest.fixture(scope="session")
def raw(server: LocalServer) -> Iterator[Any]:
    """A plain client of the server, which sees every key."""
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture(scope="session")
def inside(server: LocalServer) -> Iterator[Inside]:
    """One coordinator and one worker that serve the graphs of these tests."""
    with Inside(server.url, GRAPHS) as made:
        made.coordinator()
        made.worker(concurrency=16)
        yield made


@pytest.fixture(scope="session")
def cluster(inside: Inside) -> Cluster:
    """A client of it."""
    return inside.client()


@pytest.fixture
def who() -> str:
    """A name for the run of one test."""
    return uuid.uuid4().hex
