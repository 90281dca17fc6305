"""The simulation: whole clusters under faults, each from one seed (see `world`).

A seed that fails prints itself, the end of its trace, and the command that replays it. `DRUMLINE_FULL=1` runs 5,000
seeds instead of 200.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from drumline.testing.errors import InvariantViolation as Violation
from drumline_coordinator.fold import FOLDS
from drumline_protocol.facts import TaskCalled

from .faults import Faults
from .mutants import MUTANTS, Mutant
from .test_failures import OF_FAILURES
from .test_threads import OF_THREADS
from .world import World, simulate

SEEDS = 5000 if os.environ.get("DRUMLINE_FULL") == "1" else 200
CHUNK = 25
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_invariant_is_violated(first: int) -> None:
    found = [violation for seed in range(first, first + CHUNK) if (violation := violation_of(seed)) is not None]
    assert not found, "\n\n".join(map(str, found))


def violation_of(seed: int, faults: Faults | None = None) -> Violation | None:
    try:
        simulate(seed, faults=faults)
    except Violation as violation:
        return violation
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.break_rule.__name__)
def test_a_bug_is_found(mutant: Mutant) -> None:
    # Given services with one rule taken away, some seed among a few must violate an invariant
    with mutant.break_rule():
        assert any(violation_of(seed, mutant.faults) for seed in range(mutant.seeds)), "nobody noticed"


def test_the_services_survive_what_the_bugs_do_not() -> None:
    for seed in range(20):
        for faults in {id(mutant.faults): mutant.faults for mutant in MUTANTS}.values():
            assert violation_of(seed, faults) is None


def test_a_seed_is_the_same_in_every_process() -> None:
    def digests(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation", "0-7", "--digest"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    assert digests("1") == digests("2")


def test_everything_happens() -> None:
    # Given all faults at once, a few seeds see each of them, and each kind of fact
    worlds = [simulate(seed, faults=Faults.rough()) for seed in range(100)]
    facts = Counter(type(fact) for world in worlds for log in world.watch.logs.values() for fact in log.facts)
    assert set(FOLDS) - OF_THREADS - OF_FAILURES - {TaskCalled} <= set(facts)  # calls are in one process
    assert sum(world.watch.heads for world in worlds) > 100
    trace = "\n".join(line for world in worlds for line in world.trace)
    missing = [words for words in HAPPENINGS if words not in trace]
    assert not missing
    assert {outcome for world in worlds for outcome in world.outcomes} >= {
        "as it should",
        "RunCancelled",
        "PoisonedRun",
    }


HAPPENINGS = (
    "loses Events",
    "loses TaskResult",
    "deletes a task",
    "deletes the stream",
    "writes junk into requests",
    "writes junk into inbox",
    "writes junk into tasks",
    "writes junk into ctl",
    "damages the log",
    "damages the record",
    "damages the byte",
    "crashes, a batch on the wire",
    "is stopped",
    "goes on",
    "restarts as",
    "forgot its last deliveries",
    "connection lost",
    "already",
    "diverged",
    "from the dead: commit",
    "from the dead: publishes",
    "done, the reply is lost",
    "takes 1, the reply is lost",
    " again",
    "starts without the graphs",
    "joins again at",
    "cancels",
)


def test_a_world_is_drawn_from_its_seed() -> None:
    one, two = World(5), World(5)
    assert one.drawn == two.drawn and one.programs.keys() == two.programs.keys()
    assert World(6).drawn != one.drawn
