"""Random histories of runs, answers, branches, replays and prunes: what stays is as it is without the prunes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.threads.test_retention import BIG, on, whole

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.retention import Retention
from drumline.testing import local_cluster
from drumline.types import Command

OPERATIONS = 25
STORES = ["memory", "sqlite", "cluster"]


@contextmanager
def pruned(kind: str) -> Iterator[tuple[Any, Any]]:
    """The graph on a store, and what prunes its thread."""
    if kind == "cluster":
        graph = whole(None)
        graph.name = "whole"
        with local_cluster({"whole": graph}) as cluster:
            yield cluster.graph("whole"), cluster.threads
    elif kind == "sqlite":
        with SqliteSaver.from_conn_string(":memory:") as saver:
            yield whole(saver), saver
    else:
        memory = InMemorySaver()
        yield whole(memory), memory


def short(value: Any) -> Any:
    """Without ids, and without bulk."""
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items() if key != "__interrupt__"}
    if isinstance(value, str):
        return (value[:3], len(value))
    return [short(item) for item in value] if isinstance(value, (list, tuple)) else value


def told(states: list[Any]) -> list[Any]:
    return [
        (
            short(s.values),
            s.next,
            s.metadata["source"],
            s.metadata["step"],
            [(t.name, short(t.result)) for t in s.tasks],
        )
        for s in states
    ]


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("seed", range(6))
def test_random_histories(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    twin = whole(InMemorySaver())
    with pruned(kind) as (graph, pruner):
        for number in range(OPERATIONS):
            mine, theirs = list(graph.get_state_history(on("t"))), list(twin.get_state_history(on("t")))
            assert told(mine) == told(theirs[: len(mine)])
            step = chance.choice(["run", "answer", "answer", "branch", "replay", "prune"])
            at = chance.randrange(len(mine)) if mine else 0
            if step == "prune":
                pruner.prune(["t"], retention=Retention(max_checkpoints=chance.randint(1, 6)))
            elif step == "run" or not mine:
                assert both(graph, twin, {"said": [number], "big": "b" * BIG}, on("t"), on("t"))
            elif step == "answer" and mine[0].interrupts:
                assert both(graph, twin, Command(resume=f"answer {number}"), on("t"), on("t"))
            elif step == "branch" and mine[at].values:
                for each, states in ((graph, mine), (twin, theirs)):
                    each.update_state(states[at].config, {"said": [f"branch {number}"]}, as_node="say")
            elif step == "replay" and mine[at].next:
                assert both(graph, twin, None, mine[at].config, theirs[at].config)
        pruner.prune(["t"])
        state, whole_state = graph.get_state(on("t")), twin.get_state(on("t"))
        assert (short(state.values), state.next) == (short(whole_state.values), whole_state.next)


def both(graph: Any, twin: Any, given: Any, config: Any, twins_config: Any) -> bool:
    """Whether a run gives the same on both."""
    return bool(short(graph.invoke(given, config)) == short(twin.invoke(given, twins_config)))
