"""Gateways for the tests: one over a cluster of threads, one over graphs of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from tests.gateway.stand import serving, talk
from tests.servers import own_server, real_backend

from drumline.testing import local_cluster
from drumline_gateway.app import asgi, build
from drumline_gateway.embedded_service import EmbeddedService

__all__ = ["own_server", "real_backend"]


@pytest.fixture(scope="session")
def gates() -> dict[str, threading.Event]:
    """What the graph `wait` of each gateway waits for."""
    return {"cluster": threading.Event(), "embedded": threading.Event()}


@pytest.fixture(scope="session")
def addresses(gates: dict[str, threading.Event]) -> Iterator[dict[str, str]]:
    graphs = talk(gate=gates["cluster"])
    programs = {name: graph.program for name, graph in talk(gate=gates["embedded"]).items()}
    with local_cluster(graphs) as cluster, serving(asgi(cluster, graphs=cluster.graphs)) as over_cluster:
        with serving(build(EmbeddedService(programs))) as embedded:
            yield {"cluster": over_cluster, "embedded": embedded}
        for gate in gates.values():
            gate.set()


@pytest.fixture(params=["cluster", "embedded"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, addresses: dict[str, str]) -> str:
    """The address of a gateway."""
    return addresses[kind]


@pytest.fixture
def client(url: str) -> Any:
    """LangGraph's client in Python."""
    return get_sync_client(url=url)


@pytest.fixture
def thread(client: Any) -> str:
    """A new thread."""
    return str(client.threads.create()["thread_id"])


@pytest.fixture
def gate(kind: str, gates: dict[str, threading.Event]) -> Iterator[threading.Event]:
    """Closed at first: lets the graph `wait` go on."""
    gates[kind].clear()
    yield gates[kind]
    gates[kind].set()
