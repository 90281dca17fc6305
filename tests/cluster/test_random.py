"""LangGraph against a cluster of three workers: the guide's graphs and random ones, served from fixed seeds.

`DRUMLINE_FULL=1` (make test-full) runs 1,000 random graphs, else 100 are run. Shrinking runs embedded
(`tests/differential/test_random_embedded.py`): a seed that fails here is tried there first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.cluster.processes import running
from tests.cluster.random_runs import differences
from tests.differential import guide_graphs, random_graphs
from tests.differential.compare import difference
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import record

from drumline import Cluster
from drumline_transport.local_server import LocalServer

pytestmark = pytest.mark.cluster

SEEDS = 1000 if os.environ.get("DRUMLINE_FULL") else 100
BATCH = 25


@pytest.fixture(scope="module")
def cluster(server: LocalServer) -> Iterator[Cluster]:
    """One coordinator and three workers that serve all graphs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DRUMLINE_TEST_SEEDS", str(SEEDS))
        with running(server.url, "tests.differential.served_graphs:GRAPHS") as (_, client):
            yield client


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_random_graphs(cluster: Cluster, first: int) -> None:
    found = differences(
        range(first, min(first + BATCH, SEEDS)),
        lambda seed, spec: random_graphs.build(DRUMLINE, spec).on(cluster, f"g{seed}"),
    )
    assert not found, found[0]


@pytest.mark.parametrize("name", guide_graphs.EXAMPLES)
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_the_guide(cluster: Cluster, name: str, use_async: bool) -> None:
    given = guide_graphs.INPUTS[name]
    reference = record(guide_graphs.graph(LANGGRAPH, name), given, use_async=True)
    remote = guide_graphs.graph(DRUMLINE, name).on(cluster, f"guide_{name}")
    found = difference(reference, record(remote, given, use_async=use_async))
    assert found is None, found
