"""Time limits of sync nodes (`TimeoutPolicy(sync=True)`), and caches on a cluster."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from drumline.cache.memory import InMemoryCache
from drumline.config import get_stream_writer
from drumline.errors import NodeTimeoutError
from drumline.graph import START, StateGraph
from drumline.runtime import get_runtime
from drumline.testing import SimCluster
from drumline.types import CachePolicy, RetryPolicy, TimeoutPolicy


class State(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741


def test_a_sync_node_that_is_stuck_is_left_behind_and_its_late_words_are_refused() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def node(_state: State) -> dict[str, Any]:
        writer = get_stream_writer()
        info: Any = get_runtime().execution_info
        if info.node_attempt == 1:
            writer("early")
            go_on.wait(20)
            writer("late")
            ended.set()
            return {"l": ["late"]}
        go_on.set()
        assert ended.wait(20)
        return {"l": ["second"]}

    builder = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    builder.add_node("n", node, timeout=TimeoutPolicy(run_timeout=0.1, sync=True), retry_policy=policy)
    graph = builder.add_edge(START, "n").compile()
    parts = list(graph.stream({"l": []}, stream_mode=["custom", "values"]))
    assert parts == [("values", {"l": []}), ("custom", "early"), ("values", {"l": ["second"]})]


def test_a_sync_node_says_that_it_lives() -> None:
    pause = threading.Event()

    def node(_state: State) -> dict[str, Any]:
        for _ in range(6):
            pause.wait(0.1)
            get_runtime().heartbeat()
        return {"l": ["n"]}

    builder = StateGraph(State)
    builder.add_node("n", node, timeout=TimeoutPolicy(idle_timeout=0.4, refresh_on="heartbeat", sync=True))
    assert builder.add_edge(START, "n").compile().invoke({"l": []})["l"] == ["n"]


def test_a_sync_node_needs_to_be_told_of() -> None:
    builder = StateGraph(State).add_node("n", lambda _: {}, timeout=1.0).add_edge(START, "n")
    with pytest.raises(ValueError, match="sync=True"):
        builder.compile()


def test_a_sync_node_of_a_cluster_that_is_stuck_fails() -> None:
    release = threading.Event()

    def node(_state: State) -> dict[str, Any]:
        release.wait(20)
        return {}

    builder = StateGraph(State).add_node("n", node, timeout=TimeoutPolicy(run_timeout=0.05, sync=True))
    with SimCluster({"g": builder.add_edge(START, "n").compile()}) as cluster:
        with pytest.raises(NodeTimeoutError) as raised:
            cluster.graph("g").invoke({"l": []})
        release.set()
    assert (raised.value.node, raised.value.kind, raised.value.run_timeout) == ("n", "run", 0.05)


def test_a_worker_looks_into_the_cache_before_it_runs_a_node() -> None:
    ran: list[int] = []

    def node(_state: State) -> dict[str, Any]:
        ran.append(1)
        get_stream_writer()("ran")
        return {"l": [len(ran)]}

    builder = StateGraph(State).add_node("n", node, cache_policy=CachePolicy()).add_edge(START, "n")
    with SimCluster({"g": builder.compile(cache=InMemoryCache())}, workers=2) as cluster:
        parts = [list(cluster.graph("g").stream({"l": []}, stream_mode=["updates", "custom"])) for _ in range(2)]
    assert parts[0] == [("custom", "ran"), ("updates", {"n": {"l": [1]}})]
    assert parts[1] == [("updates", {"n": {"l": [1]}, "__metadata__": {"cached": True}})]
    assert ran == [1]
