"""Deployments, and clusters of real processes on them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.processes import Processes
from tests.deployments import RedisClusterServers, SentinelServers, client
from tests.servers import DEPLOYED, newest, program, ran_on, shared_deployment

from drumline import Cluster

APP = "tests.cluster.apps:GRAPHS"


@pytest.fixture(scope="module", autouse=True)
def emptied() -> Iterator[None]:
    """Other tests of this session find the deployments that all share as they were: empty."""
    yield
    for name in DEPLOYED:
        if name in ran_on:
            deployment: Any = shared_deployment(name)
            for server in [deployment.master()] if name == "sentinel" else deployment.servers:
                client(server).execute_command("FLUSHALL")


@pytest.fixture(scope="session")
def three_masters() -> RedisClusterServers:
    """The session's Redis Cluster of three masters, whose nodes stay as they are."""
    made: Any = shared_deployment("cluster3")
    return made


@pytest.fixture
def own_masters() -> Iterator[RedisClusterServers]:
    """Three masters for this test alone, which may kill and start them."""
    with RedisClusterServers(program(newest())) as made:
        yield made


@pytest.fixture
def own_replicated() -> Iterator[RedisClusterServers]:
    """Three masters with a replica each, for this test alone."""
    with RedisClusterServers(program(newest()), replicas=1) as made:
        yield made


@pytest.fixture
def own_sentinels() -> Iterator[SentinelServers]:
    """A master with two replicas and three sentinels, for this test alone."""
    with SentinelServers(program(newest())) as made:
        yield made


@pytest.fixture
def cluster_on() -> Iterator[Callable[..., tuple[Processes, Cluster]]]:
    """Makes clusters on a deployment, under a key prefix of their own: `cluster_on(three_masters, workers=3)`."""
    made: list[tuple[Processes, Cluster]] = []

    def make(
        deployment: Any, *, coordinators: int = 1, workers: int = 2, app: str = APP, check: bool = True
    ) -> tuple[Processes, Cluster]:
        prefix = f"t{uuid.uuid4().hex[:8]}"
        processes = Processes(deployment.url, app, prefix=prefix, raw=deployment.raw(prefix))
        cluster = Cluster(deployment.url, prefix=prefix)
        made.append((processes, cluster))
        if not check:
            unchecked.add(prefix)
        processes.start_all(coordinators, workers)
        return processes, cluster

    unchecked: set[str] = set()
    yield make
    try:
        for processes, _ in made:
            if processes.prefix not in unchecked:
                processes.assert_nothing_left()
    finally:
        for processes, cluster in made:
            cluster.close()
            processes.close()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file in which nodes leave the pid of their process."""
    path = tmp_path / "pids"
    path.touch()
    return path
