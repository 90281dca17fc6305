"""A master dies and a replica takes its place while runs go on. What the new master lacks is noticed, never silent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster.processes import Processes
from tests.cluster.test_kills import COUNT, INPUT, SAID
from tests.deployments import RedisClusterServers, SentinelServers, await_true

from drumline import Cluster
from drumline.errors import DrumlineError, LogGap, RunExpired, UnknownRun
from drumline_protocol.ids import partition_of_run
from drumline_protocol.keys import Keys

pytestmark = [pytest.mark.cluster, pytest.mark.full]
Make = Callable[..., tuple[Processes, Cluster]]

RUNS = 6
LIMIT_S = 60


class Reading(threading.Thread):
    """One caller of one run: what it saw, and how that ended."""

    def __init__(self, cluster: Cluster, count: int = COUNT, *, thread: str | None = None) -> None:
        super().__init__(daemon=True)
        self.tokens: list[int] = []
        self.last: Any = None
        self.error: BaseException | None = None
        self._count = count
        self.stream = cluster.graph("tokens").stream(
            {**INPUT, "count": count, "mark": ""},
            {"configurable": {"thread_id": thread}} if thread else None,
            stream_mode=["custom", "values"],
        )

    def run(self) -> None:
        try:
            for mode, item in self.stream:
                if mode == "custom":
                    self.tokens.append(item["token"])
                else:
                    self.last = item
        except BaseException as error:
            self.error = error

    def verdict(self) -> str:
        """ "whole" for the right stream, else the name of the error that says that it is not; "" for neither."""
        self.join(LIMIT_S)
        if self.is_alive():
            return "hangs"
        if self.error is not None:
            return type(self.error).__name__ if isinstance(self.error, DrumlineError) else repr(self.error)
        said = " ".join(map(str, range(self._count)))
        return "whole" if (self.tokens, self.last["said"]) == (list(range(self._count)), said) else ""


def read_while(cluster: Cluster, strike: Callable[[], object]) -> list[str]:
    """Runs of which each has shown some tokens when `strike` is called; how they ended for their readers."""
    readings = [Reading(cluster) for _ in range(RUNS)]
    for reading in readings:
        reading.start()
    await_true(lambda: all(len(reading.tokens) > 10 for reading in readings), "each run has begun")
    strike()
    return [reading.verdict() for reading in readings]


#: how a run may end for its reader across a failover
FAIR = {"whole", "LogGap"}


def test_sentinels_promote_a_replica_in_the_middle_of_runs(own_sentinels: SentinelServers, cluster_on: Make) -> None:
    """Fault 12, with replicas in step: as a rule nothing is lost, and whoever lost something is told."""
    processes, cluster = cluster_on(own_sentinels, coordinators=2, workers=2)
    verdicts = read_while(cluster, own_sentinels.fail_over)
    assert set(verdicts) <= FAIR, verdicts
    # And all of it goes on behind the new master
    assert cluster.graph("joke").invoke({"topic": "ice"})["joke"] == "This is a joke about ice and cats"
    logs = [line for role in processes.roles.values() if role.kind == "coordinator" for line in role.lines]
    assert any("is leased again" in line for line in logs), "a new epoch, for the new master"


def test_what_the_new_master_lacks_is_told_to_whoever_had_seen_it(
    own_sentinels: SentinelServers, cluster_on: Make
) -> None:
    """Fault 12: the replicas hear nothing of the last writes. The runs begin again from what is there."""
    _, cluster = cluster_on(own_sentinels, coordinators=1, workers=2)

    readings = [Reading(cluster) for _ in range(RUNS)]
    for reading in readings:
        reading.start()
    await_true(lambda: all(len(reading.tokens) > 10 for reading in readings), "each run has begun")
    # When each reader sees more than any replica has, and a replica is promoted
    own_sentinels.freeze_replicas()
    seen = [len(reading.tokens) for reading in readings]
    await_true(lambda: all(len(r.tokens) > n + 10 for r, n in zip(readings, seen, strict=True)), "they saw more")
    own_sentinels.fail_over(thaw=True)
    # Then none of them is shown another run's rest, or waits for ever
    assert [reading.verdict() for reading in readings] == ["LogGap"] * RUNS
    # And a position in what was lost is refused, while the run itself ends right
    for reading in readings:
        run_id, position = reading.stream.run_id, reading.stream.position
        assert cluster.result(run_id)["said"] == SAID
        with pytest.raises(LogGap):
            list(cluster.join(run_id, position, stream_mode=["custom", "values"]))


def test_a_run_that_the_new_master_never_heard_of_is_told_lost(
    own_sentinels: SentinelServers, cluster_on: Make
) -> None:
    """It was accepted by the old master alone."""
    _, cluster = cluster_on(own_sentinels, coordinators=1, workers=2)
    assert cluster.graph("joke").invoke({"topic": "ice"})
    own_sentinels.freeze_replicas()
    started = cluster.graph("tokens").start({**INPUT, "mark": ""})
    reading = Reading(cluster)
    reading.start()
    await_true(lambda: len(reading.tokens) > 10, "the run has begun")
    own_sentinels.fail_over(thaw=True)
    assert reading.verdict() == "RunExpired"
    with pytest.raises((RunExpired, UnknownRun)):
        cluster.result(started)
    assert cluster.graph("joke").invoke({"topic": "ice"})["joke"] == "This is a joke about ice and cats"


def test_a_replica_takes_over_a_third_of_the_slots(own_replicated: RedisClusterServers, cluster_on: Make) -> None:
    """A master of a Redis Cluster dies: its partitions go on behind its replica, the others never stand still."""
    _, cluster = cluster_on(own_replicated, coordinators=2, workers=2)
    dead = own_replicated.node_of(f"{{{cluster.prefix}:0}}")
    verdicts = read_while(cluster, dead.kill)
    assert set(verdicts) <= FAIR, verdicts
    await_true(lambda: own_replicated.node_of(f"{{{cluster.prefix}:0}}") is not dead, "a replica is promoted")
    graph = cluster.graph("joke")
    runs = [graph.start({"topic": "ice"}) for _ in range(24)]
    assert {cluster.result(run)["joke"] for run in runs} == {"This is a joke about ice and cats"}


def test_a_master_that_is_away_costs_its_own_partitions(own_masters: RedisClusterServers, cluster_on: Make) -> None:
    """No replica: the other masters' runs go on, and its own do when it is back."""
    _, cluster = cluster_on(own_masters, coordinators=1, workers=2)
    partitions = range(cluster.broker().partitions)
    tags = {p: own_masters.node_of(f"{{{cluster.prefix}:{p}}}") for p in partitions}
    # One that holds none of the lists of members, so that clients can ask who is there
    keys = Keys(cluster.prefix)
    lists = {own_masters.node_of(key).port for key in (keys.meta(), keys.workers(), keys.coordinators())}
    dead = next((server for server in own_masters.servers if server.port not in lists), own_masters.servers[0])
    readings = [Reading(cluster, 400) for _ in range(RUNS * 2)]
    for reading in readings:
        reading.start()
    await_true(lambda: all(len(reading.tokens) > 5 for reading in readings), "each run has begun")
    dead.kill()
    homes = {r: tags[partition_of_run(r.stream.run_id, len(partitions))] for r in readings}
    others = [reading for reading, home in homes.items() if home is not dead]
    seen = [len(reading.tokens) for reading in others]
    await_true(lambda: all(len(r.tokens) > n + 50 for r, n in zip(others, seen, strict=True)), "they go on")
    dead.start()
    assert {reading.verdict() for reading in readings} <= FAIR


def test_a_slot_moves_to_another_master_in_the_middle_of_runs(
    own_masters: RedisClusterServers, cluster_on: Make
) -> None:
    """Fault 33: ASK, TRYAGAIN and MOVED. Nothing is lost, so each stream is whole."""
    _, cluster = cluster_on(own_masters, coordinators=1, workers=2)
    partitions = range(cluster.broker().partitions)

    def move() -> None:
        for p in partitions:
            tag = f"{{{cluster.prefix}:{p}}}"
            home = own_masters.node_of(tag)
            other = next(server for server in own_masters.servers if server is not home)
            own_masters.move(tag, other)

    assert read_while(cluster, move) == ["whole"] * RUNS
    assert cluster.graph("joke").invoke({"topic": "ice"})["joke"]
