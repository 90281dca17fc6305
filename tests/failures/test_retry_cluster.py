"""Retries on a cluster, on virtual time: the coordinator keeps the clock, whatever happens to it."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph
from drumline.runtime import get_runtime
from drumline.testing import CrashWorker, Faults, SimCluster
from drumline.types import RetryPolicy

SLOW = RetryPolicy(initial_interval=30.0, backoff_factor=2.0, max_attempts=3, jitter=False)


class State(TypedDict, total=False):
    l: Annotated[list[Any], operator.add]  # noqa: E741


def failing(times: int, policy: RetryPolicy = SLOW) -> Any:
    """A node that fails so many times, which its try tells it: a worker's memory may be gone by then."""

    def node(_state: State) -> dict[str, Any]:
        info: Any = get_runtime().execution_info
        get_stream_writer()(info.node_attempt)
        if info.node_attempt <= times:
            raise ConnectionError(f"no {info.node_attempt}")
        return {"l": [(info.node_attempt, info.node_first_attempt_time)]}

    return StateGraph(State).add_node("n", node, retry_policy=policy).add_edge(START, "n").compile()


def test_two_retries_of_thirty_seconds_and_more_survive_restarts_of_the_coordinator() -> None:
    with SimCluster({"g": failing(2)}) as cluster:
        run_id = cluster.graph("g").start({"l": []})
        for _ in range(2):
            cluster.advance(12)
            cluster.kill(cluster.coordinators[0], restart_after=1.0)
        cluster.advance(5)
        assert cluster.executions["n"] == 1
        cluster.advance(4)
        assert cluster.executions["n"] == 2
        cluster.kill(cluster.coordinators[0], restart_after=1.0)
        cluster.advance(50)
        assert cluster.executions["n"] == 2
        ((tries, first),) = cluster.result(run_id)["l"]
        assert tries == 3 and cluster.now >= 90 and cluster.executions["n"] == 3
        assert cluster._engine.server.now_ms - first * 1000 >= 90_000
        assert list(cluster.join(run_id, stream_mode="custom")) == [1, 2, 3]


def test_a_timer_that_somebody_deleted_delays_a_retry_and_does_not_lose_it() -> None:
    with SimCluster({"g": failing(1)}) as cluster:
        run_id = cluster.graph("g").start({"l": []})
        cluster.advance(10)
        timers = cluster._engine.server.partitions[0].timers
        assert len(timers) == 1
        timers.clear()
        cluster.kill(cluster.coordinators[0], restart_after=1.0)
        assert cluster.result(run_id)["l"][0][0] == 2 and cluster.now >= 30


def test_the_last_error_is_the_runs_and_no_timer_stays() -> None:
    with SimCluster({"g": failing(3)}) as cluster:
        with pytest.raises(ConnectionError, match="no 3"):
            cluster.graph("g").invoke({"l": []})
        assert cluster._engine.server.partitions[0].timers == {}


def test_a_cancelled_run_leaves_no_timer() -> None:
    with SimCluster({"g": failing(1)}) as cluster:
        run_id = cluster.graph("g").start({"l": []})
        cluster.advance(10)
        cluster.cancel(run_id)
        cluster.settle()
        assert cluster._engine.server.partitions[0].timers == {}


def test_the_death_of_a_worker_is_no_try() -> None:
    with SimCluster({"g": failing(1)}, faults=CrashWorker("n")) as cluster:
        ((tries, _),) = cluster.graph("g").invoke({"l": []})["l"]
        assert tries == 2 and cluster.executions["n"] == 3


@pytest.mark.parametrize("seed", range(6))
def test_retries_under_faults_end_as_without(seed: int) -> None:
    policy = RetryPolicy(initial_interval=2.0, max_attempts=3, jitter=False)
    with SimCluster(
        {"g": failing(2, policy)}, workers=3, coordinators=2, partitions=2, seed=seed, faults=Faults.rough()
    ) as cluster:
        runs = [cluster.graph("g").start({"l": []}) for _ in range(3)]
        assert [cluster.result(run_id)["l"][0][0] for run_id in runs] == [3, 3, 3]
