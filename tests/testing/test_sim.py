"""The simulated cluster as its users see it: a client's calls, processes, time, errors, the same again by seed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.mutants import events_not_deduplicated, recovery_forgets_events

from drumline.graph import START, StateGraph
from drumline.testing import (
    CrashWorker,
    Faults,
    InvariantViolation,
    SimCluster,
    SimulationStuck,
    StreamsDiffer,
    assert_same_stream,
    assert_survives,
    record,
    seeds,
)
from drumline_coordinator.keeper import Keeper
from drumline_protocol.errors import RunCancelled, UnknownRun

from .graphs import INPUT, KINDS, State, plain, shop, with_failure, with_interrupt, with_sends

ROOT = Path(__file__).parents[2]


def one(**options: Any) -> SimCluster:
    return SimCluster({"graph": plain()}, **options)


# -- a client's calls ------------------------------------------------------------------------------


def test_the_calls_of_a_client() -> None:
    graph = plain()
    with SimCluster({"graph": graph}) as cluster:
        served = cluster.graph("graph")
        assert list(served.stream(INPUT)) == list(graph.stream(INPUT))
        assert served.invoke(INPUT) == graph.invoke(INPUT)
        run_id = served.start(INPUT)
        assert cluster.status(run_id)["status"] == "open"
        assert cluster.result(run_id) == graph.invoke(INPUT)
        assert cluster.status(run_id)["status"] == "done"
        assert list(cluster.join(run_id)) == list(graph.stream(INPUT))
        cluster.client.delete(run_id)
        with pytest.raises(UnknownRun):
            cluster.status(run_id)
        bound = graph.on(cluster, "graph")
        assert list(bound.stream(INPUT)) == list(graph.stream(INPUT))


def test_the_calls_of_an_async_client() -> None:
    graph = KINDS["async"][0]()

    async def all_of_them() -> None:
        with SimCluster({"graph": graph}) as cluster:
            served = cluster.graph("graph")
            assert [item async for item in served.astream(INPUT)] == list(graph.stream(INPUT))
            assert await served.ainvoke(INPUT) == graph.invoke(INPUT)

    asyncio.run(all_of_them())


def test_many_runs_at_once() -> None:
    graph = with_sends()
    with SimCluster({"graph": graph}, workers=3, partitions=3, seed=5, faults=Faults.rough()) as cluster:
        runs = [cluster.graph("graph").start(INPUT) for _ in range(5)]
        for run_id in runs:
            assert sorted(cluster.result(run_id)["log"]) == sorted(graph.invoke(INPUT)["log"])


def test_a_run_that_asks_is_paused() -> None:
    with SimCluster({"graph": with_interrupt()}) as cluster:
        run_id = cluster.graph("graph").start(INPUT)
        assert "__interrupt__" in cluster.result(run_id)
        assert cluster.status(run_id)["status"] == "paused"


def test_an_error_of_a_node_is_raised() -> None:
    with SimCluster({"graph": with_failure()}) as cluster, pytest.raises(ValueError, match="no such tool"):
        cluster.graph("graph").invoke(INPUT)


def test_a_run_is_cancelled() -> None:
    with one() as cluster:
        run_id = cluster.graph("graph").start(INPUT)
        cluster.cancel(run_id)
        with pytest.raises(RunCancelled):
            cluster.result(run_id)


def test_a_stream_that_is_dropped_cancels_its_run() -> None:
    with one() as cluster:
        stream = cluster.graph("graph").stream(INPUT, stream_mode="custom")
        next(stream)
        run_id = stream.run_id
        del stream
        cluster.settle()
        assert cluster.status(run_id)["status"] == "cancelled"


# -- processes and time ----------------------------------------------------------------------------


def test_a_worker_is_killed_between_two_items() -> None:
    with SimCluster({"graph": plain()}, workers=2, seed=1) as cluster:
        items = []
        for item in cluster.graph("graph").stream(INPUT, stream_mode=["custom", "updates"]):
            items.append(item)
            busy = [worker for worker in cluster.workers if worker.nodes]
            if len(items) == 1 and busy:
                cluster.kill(busy[0])
        assert len(cluster.workers) == 1
        assert items == list(plain().stream(INPUT, stream_mode=["custom", "updates"]))
        assert any("crashes" in line for line in cluster.trace)


def test_a_killed_process_comes_back() -> None:
    with one(coordinators=1, workers=1) as cluster:
        run_id = cluster.graph("graph").start(INPUT)
        cluster.kill("coord-1", restart_after=2)
        cluster.kill(cluster.workers[0], restart_after=4)
        cluster.restart_broker()
        assert not cluster.workers and not cluster.coordinators
        cluster.advance(5)
        assert len(cluster.workers) == len(cluster.coordinators) == 1
        assert cluster.result(run_id) == plain().invoke(INPUT)


def test_time_passes_only_here() -> None:
    with one() as cluster:
        assert cluster.now == 0
        cluster.advance(3600)
        assert 3600 <= cluster.now < 3601


def test_a_paused_coordinator_is_replaced() -> None:
    with one(coordinators=2) as cluster:
        run_id = cluster.graph("graph").start(INPUT)
        for coordinator in cluster.coordinators[:1]:
            cluster.pause(coordinator, 60)
        assert cluster.coordinators[0].paused
        assert cluster.result(run_id) == plain().invoke(INPUT)


def test_nobody_is_left() -> None:
    cluster = one(workers=1)
    run_id = cluster.graph("graph").start(INPUT)
    cluster.kill("worker-2")
    with pytest.raises(SimulationStuck, match=r"no worker is running\. Start one with cluster\.start_worker\(\)"):
        cluster.result(run_id)
    cluster.start_worker()
    assert cluster.result(run_id) == plain().invoke(INPUT)


def test_names_that_are_not_there() -> None:
    cluster = one()
    with pytest.raises(ValueError, match=r"no process 'worker-9' lives .* there are coord-1, worker-2, worker-3"):
        cluster.kill("worker-9")
    with pytest.raises(ValueError, match="serves 'graph', and no graph 'agent'"):
        cluster.graph("agent")
    with pytest.raises(ValueError, match="names no graph"):
        SimCluster({})
    with pytest.raises(TypeError, match="not a StateGraph: it is not compiled yet"):
        SimCluster({"graph": StateGraph(State)})


def test_a_node_that_calls_its_own_cluster_is_told() -> None:
    def call(_state: State) -> State:
        return {"log": [str(cluster.graph("graph").invoke(INPUT))]}

    cluster = SimCluster({"graph": StateGraph(State).add_node("call", call).add_edge(START, "call").compile()})
    with pytest.raises(RuntimeError, match="Test graphs whose nodes start runs of a cluster with"):
        cluster.graph("graph").invoke(INPUT)


# -- bugs are found --------------------------------------------------------------------------------


def test_a_node_that_must_not_run_twice_is_found() -> None:
    charged: list[str] = []

    def charge(_state: State) -> State:
        charged.append("card")
        return {"log": ["charged"]}

    graph = shop(charge)

    def new_shop() -> Any:
        charged.clear()
        return graph

    def check(_cluster: SimCluster) -> None:
        assert charged == ["card"]

    assert_survives(new_shop, INPUT, seeds=5, faults=Faults(), check=check)
    with pytest.raises(AssertionError) as found:
        assert_survives(new_shop, INPUT, seeds=5, faults=CrashWorker("charge"), check=check)
    note = "\n".join(found.value.__notes__)
    assert "seed 0, CrashWorker(node='charge'" in note and "replay: DRUMLINE_SEED=0 DRUMLINE_TRACE=1" in note
    assert "crashes" in note.partition("the end of its trace")[0]


def test_a_node_with_a_key_may_run_twice() -> None:
    charged: set[str] = set()

    def charge(state: State) -> State:
        charged.add(state["log"][0])  # the order's number: a payment service knows that it has seen it
        return {"log": ["charged"]}

    def once(cluster: SimCluster) -> None:
        assert len(charged) == 1 and cluster.executions["charge"] == 2

    assert_survives(shop(charge), INPUT, seeds=5, faults=CrashWorker("charge"), check=once)


def test_a_node_that_counts_its_calls_is_found() -> None:
    calls: list[int] = []

    def count(_state: State) -> State:
        calls.append(1)
        return {"log": [f"call {len(calls)}"]}

    def make() -> Any:
        calls.clear()
        return shop(count)

    assert_survives(make, INPUT, seeds=3, faults=Faults())
    with pytest.raises(StreamsDiffer, match="call 2") as found:
        assert_survives(make, INPUT, seeds=3, faults=CrashWorker("charge"))
    assert "replay: DRUMLINE_SEED=0" in str(found.value)


@pytest.mark.parametrize(
    ("mutant", "faults", "told"),
    [
        (events_not_deduplicated, Faults(repeat_publish=0.5), "I6: log "),
        (recovery_forgets_events, Faults(pause_coordinator=0.08, crash_coordinator=0.03, slow_wire=0.7), "/heard"),
    ],
)
def test_a_bug_in_drumline_is_told_as_one(mutant: Any, faults: Faults, told: str) -> None:
    with (
        mutant(),
        pytest.raises(InvariantViolation, match="A bug in drumline, not in your graph: please report it") as found,
    ):
        assert_survives(plain(), INPUT, seeds=200, faults=faults)
    assert "replay: DRUMLINE_SEED=" in str(found.value) and told in str(found.value)


def test_a_service_that_raises_is_told_as_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def turn(_keeper: Keeper) -> None:
        raise ZeroDivisionError("in a keeper")

    monkeypatch.setattr(Keeper, "turn", turn)
    with pytest.raises(InvariantViolation, match="a service raised ZeroDivisionError: in a keeper"):
        one().graph("graph").invoke(INPUT)


def test_junk_is_survived() -> None:
    assert_survives(plain(), INPUT, seeds=10, faults=Faults(hostile=0.1))


# -- the same again --------------------------------------------------------------------------------


def test_the_same_seed_does_the_same() -> None:
    def trace(seed: int) -> list[str]:
        with SimCluster({"graph": with_sends()}, seed=seed, faults=Faults.rough()) as cluster:
            record(cluster.graph("graph"), INPUT)
        return cluster.trace

    assert trace(1) == trace(1) != trace(2)


def test_a_seed_is_the_same_in_every_process() -> None:
    code = (
        "from tests.testing.graphs import *; from drumline.testing import *\n"
        "for seed, (build, _) in enumerate(KINDS.values()):\n"
        "    with SimCluster({'g': build()}, workers=3, seed=seed, faults=Faults.rough()) as cluster:\n"
        "        record(cluster.graph('g'), INPUT)\n"
        "    print(*cluster.trace, sep='\\n')\n"
    )

    def told(hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    first = told("1")
    assert first == told("2") and len(first.splitlines()) > 200


def test_a_seed_is_replayed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert seeds(3) == [0, 1, 2]
    monkeypatch.setenv("DRUMLINE_SEED", "17")
    monkeypatch.setenv("DRUMLINE_TRACE", "1")
    assert seeds(3) == [17]
    ran: list[int] = []
    assert_survives(plain(), INPUT, seeds=3, check=lambda cluster: ran.append(cluster.seed))
    assert ran == [17]
    assert "worker-3  starts" in capsys.readouterr().out
    monkeypatch.setenv("DRUMLINE_SEED", "seventeen")
    with pytest.raises(ValueError, match="DRUMLINE_SEED"):
        seeds(3)


def test_the_replay_command_names_the_test() -> None:
    with one() as cluster:
        assert cluster.story.splitlines()[-1] == (
            'replay: DRUMLINE_SEED=0 DRUMLINE_TRACE=1 python -m pytest -s "'
            'tests/testing/test_sim.py::test_the_replay_command_names_the_test"'
        )


def test_the_trace_is_that_of_a_cluster() -> None:
    with one(seed=3) as cluster:
        assert_same_stream(record(plain(), INPUT), record(cluster.graph("graph"), INPUT))
    text = "\n".join(cluster.trace)
    assert "takes think:" in text and "commit 0/" in text and "publishes" in text and "submits" in text
