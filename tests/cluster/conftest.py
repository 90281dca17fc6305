"""A broker of this session, and clusters of real processes on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.processes import Processes, living
from tests.servers import session_server

from drumline import Cluster
from drumline_transport.local_server import LocalServer

__all__ = ["session_server"]

APP = "tests.cluster.apps:GRAPHS"


@pytest.fixture
def cluster_of(server: LocalServer) -> Iterator[Callable[..., tuple[Processes, Cluster]]]:
    """Makes clusters under a key prefix of their own: `cluster_of(coordinators=1, workers=3)`."""
    made: list[tuple[Processes, Cluster]] = []

    def make(
        *,
        coordinators: int = 1,
        workers: int = 3,
        app: Any = APP,
        worker_args: tuple[str, ...] = (),
    ) -> tuple[Processes, Cluster]:
        prefix = f"t{uuid.uuid4().hex[:8]}"
        processes = Processes(server.url, app, prefix=prefix)
        cluster = Cluster(server.url, prefix=prefix)
        made.append((processes, cluster))
        processes.start_all(coordinators, workers, *worker_args)
        return processes, cluster

    yield make
    try:
        for processes, _ in made:
            processes.assert_nothing_left()
    finally:
        for processes, cluster in made:
            cluster.close()
            processes.close()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """After each test, in clusters that several tests share; `cluster_of` looks at its own before it ends them."""
    yield
    for processes in list(living):
        processes.assert_nothing_left()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file in which nodes leave the pid of their process."""
    path = tmp_path / "pids"
    path.touch()
    return path


def pids_in(path: Path) -> list[int]:
    """The pids that nodes left, in order."""
    return [int(line) for line in path.read_text().split()]
