"""One round: a cluster, its load, what is done to it, and what came out."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.expected import expected
from tests.chaos.faults import Injector
from tests.chaos.fleet import PREFIX, Fleet
from tests.chaos.graphs import INPUTS, VARIANTS
from tests.chaos.hostile import MARK, Hostile
from tests.chaos.plan import Fault, kills_only, plan
from tests.chaos.runs import Driver, Run
from tests.chaos.takeover import Takeovers, plain_client
from tests.leftovers import await_nothing_left

from drumline import Cluster

APPS = ("tests.chaos.graphs:GRAPHS", "tests.chaos.bad_graphs:GRAPHS")
#: runs at once: sync readers on threads, async ones on two loops
THREADS, TASKS = 60, 40
#: how long runs may go on after the last fault, and what they leave
RUNS_END_S, LEFT_S = 60.0, 30.0
#: pause of a node between two of its events, roughly
PACE_S = 0.1

#: name -> how the broker syncs its file, and what the round is
ROUNDS = {
    "quiet": ("everysec", "nothing is done: what the others are compared with"),
    "takeover": ("everysec", "workers and coordinators are killed, one at a time"),
    "chaos": ("always", "a fault each second; nothing may be lost"),
    "everysec": ("everysec", "the same; what the broker loses must be told"),
    "hostile": ("everysec", "hostile messages and misbehaving graphs; good runs must not notice"),
}


@dataclass(slots=True)
class Round:
    """What came out of a round. `violations` empty: all is well."""

    name: str
    server: str
    seconds: float
    folder: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    #: seconds of the runs that ended right and were not meant to be cancelled
    took_s: list[float] = field(default_factory=list)
    joins: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    takeovers: Takeovers = field(default_factory=Takeovers)
    hostile: Counter[str] = field(default_factory=Counter)
    bad_ends: Counter[str] = field(default_factory=Counter)
    ended_by_nodes: int = 0
    started_in_vain: int = 0
    left: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return self.outcomes["wrong"]

    @property
    def lost(self) -> int:
        """Runs that were accepted and did not end as they must, without a word of a loss that is allowed."""
        return self.outcomes["lost"] + self.outcomes["failed"] + self.outcomes["stuck"]


def play(name: str, server: str, program: Path, seconds: float, seed: int, folder: Path) -> Round:
    """Run one round to its end."""
    for graph in INPUTS:
        for variant in range(VARIANTS):
            expected(graph, variant)  # before the clock runs
    fsync, _ = ROUNDS[name]
    found = Round(name, server, seconds, folder)
    with ExitStack() as stack:
        fleet = Fleet(program, folder, fsync=fsync, apps=APPS, pace_s=PACE_S)
        stack.callback(fleet.close)
        fleet.start()
        urls = [fleet.server.url, fleet.server.url, fleet.proxies.urls["client"]]
        clusters = [stack.enter_context(Cluster(url, prefix=PREFIX)) for url in urls]
        driver = Driver(clusters, seed, losses_allowed=name == "everysec")
        _play(found, fleet, driver, seed)
    return found


def _play(found: Round, fleet: Fleet, driver: Driver, seed: int) -> None:
    begun_s = time.monotonic()
    hostile = Hostile(fleet.server.url, seed) if found.name == "hostile" else None
    injector = Injector(fleet, _faults(found, fleet, seed), measure_all=found.name == "takeover")
    driver.start(THREADS, TASKS)
    if hostile is not None:
        hostile.start()
    injector.run(begun_s)
    time.sleep(max(0.0, begun_s + found.seconds - time.monotonic()))
    _heal(fleet)
    if hostile is not None:
        hostile.finish()
        found.hostile, found.bad_ends = hostile.sent, hostile.ends
        found.violations += [f"hostile: {text}" for text in hostile.failures]
    stuck = driver.finish(RUNS_END_S)
    for run in stuck:
        run.end("stuck", _status(driver, run))
    _judge_runs(found, driver.runs)
    found.faults, found.takeovers = injector.counts, injector.takeovers
    found.ended_by_nodes, found.started_in_vain = fleet.ended_by_nodes, fleet.started_in_vain
    found.left = _left(fleet)
    found.violations += [f"left behind: {text}" for text in found.left[:20]]
    found.violations += [f"a process ended: {text}" for text in fleet.deaths]
    found.violations += [f"not taken over in time: {text}" for text in injector.takeovers.late]
    found.violations += [f"a fault could not be carried out: {text}" for text in injector.failures]


def _faults(found: Round, fleet: Fleet, seed: int) -> list[Fault]:
    if found.name in ("chaos", "everysec"):
        return plan(seed, found.seconds, fleet.roles, list(fleet.proxies.urls))
    if found.name == "takeover":
        return kills_only(found.seconds, fleet.roles)
    return []


def _heal(fleet: Fleet) -> None:
    """Nothing is stopped, away or silent any more."""
    if not fleet.server.running():
        fleet.server.start()
    for name in fleet.proxies.urls:
        fleet.proxies.tell(name, "clear")
    for name in fleet.roles:
        fleet.signal(name, signal.SIGCONT)


def _status(driver: Driver, run: Run) -> str:
    """What the cluster says of a run that does not end."""
    try:
        return str(driver.clusters[0].status(run.id))
    except Exception as error:  # that, too, is told
        return f"no status: {type(error).__name__}: {error}"


def _judge_runs(found: Round, runs: list[Run]) -> None:
    for run in runs:
        found.outcomes[run.outcome] += 1
        found.joins += run.joins
        if run.outcome == "right":
            found.took_s.append(run.took_s)
        elif run.outcome in ("wrong", "failed", "lost", "stuck"):
            what = f"{run.outcome}: run {run.id} of {run.graph} (variant {run.variant}, {run.habit}): "
            found.violations.append(what + run.detail)
    if found.outcomes["not accepted"] and found.name in ("quiet", "takeover", "hostile"):
        found.violations.append(f"{found.outcomes['not accepted']} runs were not accepted within 10 s")


def _left(fleet: Fleet) -> list[str]:
    client = plain_client(fleet.server.url)

    def raw(*words: Any) -> Any:
        return client.execute_command(*words)

    try:
        return await_nothing_left(raw, PREFIX, LEFT_S, ignore=_is_hostile_key)
    finally:
        client.close()


def _is_hostile_key(key: str) -> bool:
    """A key that a hostile client put there itself."""
    return f":{MARK}-taken-" in key


def folder_for(base: Path, server: str, name: str) -> Path:
    """Where a round's logs go."""
    return base / f"{server}-{name}-{os.getpid()}"
