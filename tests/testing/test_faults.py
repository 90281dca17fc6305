"""Each named fault strikes once, at its moment, and every kind of graph survives it with an unchanged stream."""

from __future__ import annotations

import pytest

from drumline.testing import (
    CrashCoordinator,
    CrashWorker,
    FaultDidNotHappen,
    Faults,
    LoseReply,
    LoseResultReply,
    NamedFault,
    PauseWorker,
    RestartBroker,
    SimCluster,
    assert_same_stream,
    assert_survives,
    record,
)

from .graphs import INPUT, KINDS, plain


def faults_of(node: str) -> list[NamedFault]:
    return [
        CrashWorker(node),
        CrashWorker(node, after_events=2),
        PauseWorker(node),
        LoseResultReply(node),
        CrashCoordinator(commit=1),
        CrashCoordinator(commit=2),
        CrashCoordinator(commit=2, arrives=False),
        LoseReply(commit=2),
        RestartBroker(commit=2),
        RestartBroker(commit=2, lost_tail=True),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_survives_each_named_fault(kind: str) -> None:
    build, node = KINDS[kind]
    graph = build()
    reference = record(graph, INPUT)
    for fault in faults_of(node):
        for seed in range(3):
            with SimCluster({"graph": graph}, workers=2, coordinators=2, seed=seed, faults=fault) as cluster:
                assert_same_stream(reference, record(cluster.graph("graph"), INPUT))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_survives_rough_seas(kind: str) -> None:
    assert_survives(KINDS[kind][0](), INPUT, seeds=15)


def test_several_faults_in_one_run() -> None:
    faults: list[Faults | NamedFault] = [
        CrashWorker("think"),
        CrashWorker("think", nth=2),
        CrashCoordinator(commit=3),
        Faults(lose_reply=0.3),
    ]
    assert_survives(plain(), INPUT, seeds=10, faults=faults, check=_ran_think_three_times)


def _ran_think_three_times(cluster: SimCluster) -> None:
    assert cluster.executions["think"] >= 3 and cluster.executions["act"] >= 1


# -- what each of them does ------------------------------------------------------------------------


def story(*faults: NamedFault | Faults, seed: int = 0) -> SimCluster:
    """A cluster whose run has ended."""
    with SimCluster({"graph": plain()}, workers=2, seed=seed, faults=faults) as cluster:
        list(cluster.graph("graph").stream(INPUT, stream_mode=["custom", "updates"]))
    return cluster


def lines(cluster: SimCluster, words: str) -> list[str]:
    return [line for line in cluster.trace if words in line]


def test_a_crashed_worker_ran_the_node_for_nothing() -> None:
    cluster = story(CrashWorker("think"))
    assert cluster.executions == {"think": 2, "act": 1}
    assert len(lines(cluster, "crashes")) == 1


@pytest.mark.parametrize("events", [0, 1, 3])
def test_so_many_events_get_out_before_the_crash(events: int) -> None:
    cluster = story(CrashWorker("think", after_events=events))
    crash = next(number for number, line in enumerate(cluster.trace) if "crashes" in line)
    spoken = [line for line in cluster.trace[:crash] if "event of" in line]
    assert len(spoken) == events and not any("answer of" in line for line in cluster.trace[:crash])


def test_the_second_execution_is_meant() -> None:
    cluster = story(CrashWorker("think"), CrashWorker("think", nth=2))
    assert cluster.executions["think"] == 3 and len(lines(cluster, "crashes")) == 2


def test_a_paused_worker_comes_back_as_a_zombie() -> None:
    cluster = story(PauseWorker("think", seconds=10))
    assert cluster.executions["think"] == 2 and lines(cluster, "is stopped") and lines(cluster, "goes on")
    assert cluster.now > 10


def test_another_coordinator_takes_over() -> None:
    for arrives in (True, False):
        cluster = story(CrashCoordinator(commit=2, arrives=arrives))
        assert [line.split()[1] for line in lines(cluster, "crashes")] == ["coord-1"]
        assert len([line for line in lines(cluster, "starts") if "coord-" in line]) == 2


def test_a_lost_reply_is_a_commit_sent_again() -> None:
    assert len(lines(story(LoseReply(commit=2)), "connection lost")) == 1
    assert lines(story(LoseReply(commit=2)), "already")
    assert len(lines(story(LoseResultReply("think")), "the reply is lost")) == 1


def test_a_lost_tail_costs_an_execution() -> None:
    counts = []
    for seed in range(20):
        cluster = story(RestartBroker(commit=2, lost_tail=True), seed=seed)
        assert lines(cluster, "restarts as") and lines(cluster, "has lost its tail")
        counts.append(cluster.executions["think"])
    assert min(counts) == 1 and max(counts) > 1  # it is a matter of the moment whether a worker had the node in hand
    assert all(story(RestartBroker(commit=2), seed=seed).executions["think"] == 1 for seed in range(5))


def test_a_fault_that_never_came_is_told() -> None:
    with (
        pytest.raises(FaultDidNotHappen, match=r"CrashWorker\(node='act', nth=2.*Nodes that ran: act 1x, think 1x"),
        SimCluster({"graph": plain()}, faults=CrashWorker("act", nth=2)) as cluster,
    ):
        cluster.graph("graph").invoke(INPUT)


def test_faults_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="no graph has a node 'thnik'; there are act, think"):
        SimCluster({"graph": plain()}, faults=CrashWorker("thnik"))
    with pytest.raises(ValueError, match="crash_worker=2"):
        Faults(crash_worker=2)
    with pytest.raises(ValueError, match="several Faults"):
        SimCluster({"graph": plain()}, faults=[Faults.rough(), Faults()])
