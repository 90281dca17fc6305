"""Threads that are made before their first run, what is noted of them, and the runs that were on them."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline import Cluster
from drumline.cluster.thread_runs import summary
from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline_protocol.errors import ThreadExists, UnknownThread
from drumline_protocol.ids import partition_of


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


def speaking() -> Any:
    graph = StateGraph(State).add_node("speak", lambda state: {"said": [len(state["said"])]})
    return graph.add_edge(START, "speak").compile(name="speak")


def failing() -> Any:
    def fail(_state: State) -> State:
        raise ValueError("no")

    return StateGraph(State).add_node(fail).add_edge(START, "fail").compile(name="fail")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster({"speak": speaking(), "fail": failing()}) as cluster:
        yield cluster


def on(thread: str, **metadata: Any) -> Any:
    return {"configurable": {"thread_id": thread}, "metadata": metadata}


def test_a_thread_is_made_changed_and_found(cluster: Cluster) -> None:
    made = cluster.threads.create("made", {"title": "one", "tags": ["a", {"b": 1}]})
    assert (made["status"], made["metadata"]) == ("idle", {"title": "one", "tags": ["a", {"b": 1}]})
    assert made["created_ms"] and cluster.threads.get("made") == made
    with pytest.raises(ThreadExists):
        cluster.threads.create("made", {"title": "two"})
    assert cluster.threads.create("made", {"title": "two"}, if_exists="do_nothing") == made
    changed = cluster.threads.update("made", {"title": "two"})
    assert changed["metadata"]["title"] == "two" and changed["updated_ms"] >= made["updated_ms"]
    assert [row["thread_id"] for row in cluster.threads.search(metadata={"title": "two"})] == ["made"]
    assert cluster.threads.search(metadata={"title": "one"}) == []
    with pytest.raises(UnknownThread):
        cluster.threads.update("nobody", {})
    with pytest.raises(ValueError, match="if_exists"):
        cluster.threads.create("made", if_exists="maybe")  # type: ignore[arg-type]


def test_what_was_noted_outlives_runs_on_the_thread(cluster: Cluster) -> None:
    cluster.threads.create("kept", {"title": "one"})
    cluster.graph("speak").invoke({"said": ["a"]}, on("kept", graph_id="speak"))
    assert cluster.threads.get("kept")["metadata"] == {"title": "one", "graph_id": "speak"}


def test_runs_of_a_thread_are_told_the_newest_first(cluster: Cluster) -> None:
    graphs = {name: cluster.graph(name) for name in ("speak", "fail")}
    ids = []
    for number, name in enumerate(("speak", "fail", "speak")):
        ids.append(graphs[name].start({"said": ["a"]}, on("runs", number=number)))
        try:
            cluster.result(ids[-1], thread_id="runs")
        except Exception:
            assert name == "fail"
    told = cluster.threads.runs("runs")
    assert {row["run_id"] for row in told} == set(ids)
    assert [row["metadata"]["number"] for row in told] == [2, 1, 0]
    assert [(row["graph"], row["status"]) for row in told] == [("speak", "done"), ("fail", "failed"), ("speak", "done")]
    assert cluster.threads.runs("runs", limit=1, offset=1) == told[1:2]
    assert cluster.threads.runs("runs", status="failed") == told[1:2]
    assert cluster.threads.runs("nobody") == []


def test_a_run_is_found_on_its_own_thread_alone(cluster: Cluster) -> None:
    run = cluster.graph("speak").start({"said": ["a"]}, on("own"))
    cluster.result(run, thread_id="own")
    partitions = cluster.broker().partitions
    beside = next(f"t{n}" for n in range(99) if partition_of(f"t{n}", partitions) == partition_of("own", partitions))
    alone = cluster.graph("speak").start({"said": ["a"]})
    cluster.result(alone)
    assert [summary(cluster.link, run, thread) is None for thread in ("own", beside, None)] == [False, True, True]
    assert summary(cluster.link, alone, None) is not None
    assert summary(cluster.link, "nobody", "own") is None


def test_who_adds_to_a_thread_from_outside_makes_no_run(cluster: Cluster) -> None:
    cluster.graph("speak").invoke({"said": ["a"]}, on("origin"))
    cluster.threads.copy("origin", "copy")
    assert cluster.threads.runs("copy") == [] and len(cluster.threads.runs("origin")) == 1


def test_the_same_from_an_event_loop(cluster: Cluster) -> None:
    async def talk() -> None:
        await cluster.threads.acreate("async", {"n": 1})
        assert (await cluster.threads.aupdate("async", {"m": 2}))["metadata"] == {"n": 1, "m": 2}
        assert await cluster.threads.aruns("async") == []

    asyncio.run(talk())
