"""A Redis Cluster of three masters: the guide's graphs, the demo, and a round of kills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import pids_in
from tests.cluster.processes import ROOT, Processes, running
from tests.cluster.test_kills import COUNT, INPUT, SAID, owner_of, run_and_strike
from tests.deployments import RedisClusterServers
from tests.differential import guide_graphs
from tests.differential.compare import difference
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import record

from drumline import Cluster
from drumline_protocol.ids import partition_of_run

pytestmark = [pytest.mark.cluster, pytest.mark.full]
Make = Callable[..., tuple[Processes, Cluster]]


@pytest.fixture(scope="module")
def guide(three_masters: RedisClusterServers) -> Iterator[Cluster]:
    """One coordinator and two workers that serve the guide's graphs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DRUMLINE_TEST_SEEDS", "0")
        app, raw = "tests.differential.served_graphs:GRAPHS", three_masters.raw("guide")
        with running(three_masters.url, app, prefix="guide", workers=2, raw=raw) as (processes, client):
            yield client
            processes.assert_nothing_left()


@pytest.mark.parametrize("name", guide_graphs.EXAMPLES)
@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_the_guide(guide: Cluster, name: str, use_async: bool) -> None:
    given = guide_graphs.INPUTS[name]
    reference = record(guide_graphs.graph(LANGGRAPH, name), given, use_async=True)
    remote = guide_graphs.graph(DRUMLINE, name).on(guide, f"guide_{name}")
    found = difference(reference, record(remote, given, use_async=use_async))
    assert found is None, found


def test_the_demo(three_masters: RedisClusterServers) -> None:
    command = [sys.executable, "examples/demo/demo.py", "--broker", three_masters.url]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all of it held" in done.stdout


def test_runs_lie_on_all_masters(three_masters: RedisClusterServers, cluster_on: Make) -> None:
    _, cluster = cluster_on(three_masters)
    graph = cluster.graph("joke")
    runs = [graph.start({"topic": "ice"}) for _ in range(40)]
    assert {cluster.result(run)["joke"] for run in runs} == {"This is a joke about ice and cats"}
    count = cluster.broker().partitions
    tags = {f"{{{cluster.prefix}:{partition_of_run(run, count)}}}" for run in runs}
    assert len({three_masters.node_of(tag).port for tag in tags}) == 3
    assert all(row["owner"] for row in cluster.broker().lease_owners())


def test_a_round_of_kills(three_masters: RedisClusterServers, cluster_on: Make, mark: Path) -> None:
    """SIGKILL of the worker that runs the node, then of the coordinator that owns the run: no token lost or twice."""
    processes, cluster = cluster_on(three_masters, coordinators=2, workers=2)
    graph = cluster.graph("tokens")
    stream = graph.stream({**INPUT, "mark": str(mark)}, stream_mode=["custom", "values"])
    tokens, last = run_and_strike(stream, 40, lambda: processes.by_pid(pids_in(mark)[-1]).kill())
    assert (tokens, last["said"]) == (list(range(COUNT)), SAID)
    assert len(set(pids_in(mark))) == 2, "the node ran twice, on two workers"
    processes.start("worker", "w9")

    stream = graph.stream({**INPUT, "mark": ""}, stream_mode=["custom", "values"])
    owner: list[Any] = []

    def strike() -> None:
        owner.append(processes.roles[owner_of(cluster, stream.run_id)])
        owner[0].kill()

    tokens, last = run_and_strike(stream, 40, strike)
    assert (tokens, last["said"]) == (list(range(COUNT)), SAID)
    assert owner and owner[0].process.poll() is not None


def test_a_cancelled_run_frees_its_worker(three_masters: RedisClusterServers, cluster_on: Make, mark: Path) -> None:
    """What every worker must hear stands in a stream of the run's partition."""
    _, cluster = cluster_on(three_masters, workers=1)
    stream = cluster.graph("tokens").stream({**INPUT, "count": 10_000, "mark": str(mark)}, stream_mode="custom")
    assert next(stream) == {"token": 0}
    stream.close()
    assert cluster.graph("joke").invoke({"topic": "ice"})["joke"]
    assert cluster.status(stream.run_id)["status"] == "cancelled"
