"""`Cluster.drain`: a run of a cluster stops at the end of its superstep, whoever owns it by then."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

from drumline.errors import GraphDrained, UnknownRun
from drumline.graph import START, StateGraph
from drumline.testing import SimCluster
from drumline.types import RetryPolicy


class State(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741


def served() -> SimCluster:
    """Its first node fails once, and is tried again after 30 s: so long its superstep is open."""
    tried: list[int] = []

    def first(_state: State) -> dict[str, Any]:
        tried.append(1)
        if len(tried) == 1:
            raise ConnectionError("once")
        return {"l": ["first"]}

    builder = StateGraph(State)
    builder.add_node("first", first, retry_policy=RetryPolicy(initial_interval=30.0, jitter=False))
    builder.add_node("second", lambda _: {"l": ["second"]})
    return SimCluster({"g": builder.add_edge(START, "first").add_edge("first", "second").compile()})


def test_a_run_stops_at_the_end_of_its_superstep_after_a_takeover_too() -> None:
    with served() as cluster:
        run_id = cluster.graph("g").start({"l": []})
        cluster.advance(5)
        cluster.client.drain(run_id, "deploy")
        cluster.advance(5)
        cluster.kill(cluster.coordinators[0], restart_after=1.0)
        with pytest.raises(GraphDrained, match="deploy"):
            list(cluster.join(run_id, stream_mode="updates"))
        assert cluster.executions == {"first": 2} and cluster.status(run_id)["status"] == "paused"


def test_a_run_that_is_not_there_is_told_of() -> None:
    with served() as cluster, pytest.raises(UnknownRun):
        cluster.client.drain("0" * 32)
