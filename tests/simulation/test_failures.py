"""Simulated clusters whose nodes fail: retries and error handlers are the same whatever else goes wrong."""

from collections import Counter

import pytest

from drumline_protocol.facts import DrainRequested, ErrorHandled, TaskRetried

from .faults import Faults
from .world import simulate

#: kinds of facts that only these runs have, and runs that somebody drains
OF_FAILURES = {TaskRetried, ErrorHandled, DrainRequested}


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_retries_and_handlers_survive_what_may_happen(first: int) -> None:
    facts: Counter[type] = Counter()
    for seed in range(first, first + 20):
        world = simulate(seed, subject="mending")
        facts.update(type(fact) for log in world.watch.logs.values() for fact in log.facts)
    assert facts[TaskRetried] > 40 and facts[ErrorHandled] > 20


def test_and_what_seldom_happens() -> None:
    for seed in range(15):
        simulate(seed, subject="mending", faults=Faults.rough())
