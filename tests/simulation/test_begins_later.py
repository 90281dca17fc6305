"""Runs that are to begin later, under faults: none is lost, none begins twice or too early."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.testing import Faults, SimCluster
from drumline_protocol.errors import RunCancelled


class State(TypedDict):
    said: Annotated[list[str], operator.add]


def graph() -> Any:
    return StateGraph(State).add_node("say", lambda _: {"said": ["said"]}).add_edge(START, "say").compile(name="g")


@pytest.mark.parametrize("seed", range(10))
def test_runs_begin_when_they_are_to_whatever_crashes(seed: int) -> None:
    thread: Any = {"configurable": {"thread_id": "t"}}
    with SimCluster({"g": graph()}, workers=2, coordinators=2, seed=seed, faults=Faults.rough()) as cluster:
        served = cluster.graph("g")
        began = cluster.now
        late = served.start({"said": ["late"]}, thread, after_seconds=60)
        free = served.start({"said": ["free"]}, after_seconds=30)
        gone = served.start({"said": ["gone"]}, after_seconds=30)
        now = served.start({"said": ["now"]}, thread)
        assert cluster.result(now)["said"] == ["now", "said"]
        cluster.cancel(gone)
        for coordinator in cluster.coordinators[:1]:  # unless chance has killed them all
            cluster.kill(coordinator, restart_after=10)
        assert cluster.status(late)["status"] == "queued"
        assert cluster.result(free)["said"] == ["free", "said"] and cluster.now - began >= 30
        assert cluster.result(late)["said"] == ["now", "said", "late", "said"] and cluster.now - began >= 60
        with pytest.raises(RunCancelled):
            cluster.result(gone)
