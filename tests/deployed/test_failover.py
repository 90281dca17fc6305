"""A master dies and a replica takes its place while runs go on. What the new master lacks is noticed, never silent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.cluster.processes import Processes
from tests.cluster.test_kills import COUNT, INPUT
from tests.deployments import SentinelServers, await_true

from drumline import Cluster
from drumline.errors import DrumlineError

pytestmark = pytest.mark.cluster
Make = Callable[..., tuple[Processes, Cluster]]

RUNS = 6
LIMIT_S = 60


class Reading(threading.Thread):
    """One caller of one run: what it saw, and how that ended."""

    def __init__(self, cluster: Cluster, count: int = COUNT) -> None:
        super().__init__(daemon=True)
        self.tokens: list[int] = []
        self.last: Any = None
        self.error: BaseException | None = None
        self._count = count
        self.stream = cluster.graph("tokens").stream(
            {**INPUT, "count": count, "mark": ""}, stream_mode=["custom", "values"]
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
