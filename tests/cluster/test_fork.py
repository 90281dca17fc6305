"""A process that used a cluster forks: the cluster works in child and parent, and no caller sees another's answer."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.cluster.conftest import APP
from tests.cluster.forking import PROGRAMS, invokes
from tests.cluster.processes import ROOT, running

from drumline import Cluster
from drumline_transport.local_server import LocalServer

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
]

PREFIX = "fork-tests"


@pytest.fixture(scope="module")
def url(server: LocalServer) -> Iterator[str]:
    """One coordinator, two workers."""
    with running(server.url, APP, prefix=PREFIX, workers=2):
        yield server.url


@pytest.mark.parametrize("name", PROGRAMS)
def test_forking(url: str, name: str) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.cluster.forking", name, url, PREFIX]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_multiprocessing_with_the_start_method_fork(url: str) -> None:
    with Cluster(url, prefix=PREFIX) as cluster:
        invokes(cluster, 2)
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=invokes, args=(cluster, 10)) for _ in range(3)]
        for child in children:
            child.start()
        invokes(cluster, 10)
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0, 0, 0]
        invokes(cluster, 2)
