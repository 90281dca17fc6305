"""Random histories: runs, answers, updates, forks and replays in any order tell the same as in LangGraph.

And what LangGraph does not promise: going back to an old checkpoint changes nothing of what was there.
"""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.differential.engines import DRUMLINE, LANGGRAPH

from . import state_graphs as graphs
from .scripts import Thread
from .state_graphs import IN
from .test_state import told

#: no race between tasks that ask: which question comes first is up to the scheduler there
GRAPHS = [
    graphs.line,
    graphs.asks,
    graphs.routed,
    graphs.commands,
    graphs.joins,
    graphs.fails,
    graphs.child,
    graphs.grandchild,
    graphs.child_with_one_history,
    graphs.child_with_one_history_asks,
    graphs.loop_over_one_history,
    graphs.grandchild_with_one_history,
    graphs.child_of_one_history,
    graphs.calls,
    graphs.calls_one_history,
]
OPERATIONS = ("input", "go on", "answer", "update", "update as", "fork", "replay", "input there", "copy", "clear")


def do(t: Thread, operation: str, number: int) -> None:
    """One operation; `number` says where, and on which node."""
    where = t.at(number % 7)
    names = [name for name in t.graph.nodes if name != "__start__"]
    name = names[number % len(names)]
    if operation == "input":
        t.run(IN)
    elif operation == "go on":
        t.run(None)
    elif operation == "answer":
        t.run(t.e.Command(resume=f"A{number}"))
    elif operation == "update":
        t.update({"log": [f"u{number}"]})
    elif operation == "update as":
        t.update({"log": [f"u{number}"]}, name)
    elif operation == "fork":
        t.update({"log": [f"f{number}"]}, name if number % 2 else None, where)
        t.run(None, t.last or where)
    elif operation == "replay":
        t.run(None, where)
    elif operation == "input there":
        t.run({"log": [f"n{number}"]}, where)
    elif operation == "copy":
        t.update(None, "__copy__", where)
    elif operation == "clear":
        t.update(None, t.e.END)


def script_of(steps: list[tuple[str, int]]) -> Any:
    def script(t: Thread) -> None:
        t.run(IN)  # an answer to a thread that has asked nothing is an error here (docs/differences.md)
        before = ""
        for operation, number in steps:
            if (before, operation) != ("answer", "go on"):  # LangGraph would give the answer to the next question too
                do(t, operation, number)
            before = operation
            t.state(subgraphs=True)
        t.everything()

    return script


STEPS = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 20)), min_size=1, max_size=5)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(GRAPHS), STEPS)
def test_random_histories(build: Any, steps: list[tuple[str, int]]) -> None:
    script = script_of(steps)
    assert told(DRUMLINE, build, script) == told(LANGGRAPH, build, script)


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_going_back_changes_no_history(build: Any) -> None:
    """Whatever is done later, the checkpoints that were there stay as they were, with what their tasks had done."""
    draws = random.Random(build.__name__)
    t = Thread(DRUMLINE, build(DRUMLINE))
    t.run(IN)
    t.run(DRUMLINE.Command(resume="A"))
    for _ in range(8):
        t.run(None)
        before = {each.config["configurable"]["checkpoint_id"]: each for each in t.history()[1:]}
        do(t, draws.choice(("fork", "replay", "input there", "copy")), draws.randrange(1, 20))
        after = {each.config["configurable"]["checkpoint_id"]: each for each in t.history()}
        assert {id_: after[id_] for id_ in before} == before
