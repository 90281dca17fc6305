"""One value of every kind, through two workers of two pools: what arrives is what LangGraph shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.processes import running
from tests.cluster.values_app import GRAPHS
from tests.differential.compare import difference
from tests.differential.engines import LANGGRAPH
from tests.differential.harness import record
from tests.differential.value_kinds import KINDS, array, carrying

from drumline import Cluster
from drumline.langgraph import adapt
from drumline_transport.local_server import LocalServer

pytestmark = pytest.mark.cluster

INPUT: dict[str, Any] = {"all": [array()]}


@pytest.fixture(scope="module")
def cluster(server: LocalServer) -> Iterator[Cluster]:
    # the worker `w0` does START's work of an adapted graph, and what names no pool
    with running(server.url, "tests.cluster.values_app:GRAPHS", workers=1) as (processes, client):
        for pool in ("left", "right"):
            processes.start("worker", pool, "--pool", pool)
        yield client


@pytest.mark.parametrize("adapted", [False, True], ids=["drumline's", "LangGraph's"])
def test_one_of_every_kind(cluster: Cluster, adapted: bool) -> None:
    name = "their_carrying" if adapted else "carrying"
    graph = adapt(GRAPHS[name]).on(cluster, name) if adapted else GRAPHS[name].on(cluster, name)
    reference = record(carrying(LANGGRAPH), INPUT)
    theirs = record(graph, INPUT)
    assert reference.error is None
    found = difference(reference, theirs)
    assert found is None, found
    last = theirs.payloads("values")[-1]
    for kind, make in KINDS.items():
        assert type(last["values"][kind]) is type(make()), kind
    assert last["values"]["secret"].get_secret_value() == "hunter2"


def test_started_and_read_later(cluster: Cluster) -> None:
    """`start()` records every mode."""
    graph = cluster.graph("carrying", graph=GRAPHS["carrying"])
    result = cluster.result(graph.start(INPUT))
    assert {name: type(value) for name, value in result["values"].items()} == {
        name: type(make()) for name, make in KINDS.items()
    }
