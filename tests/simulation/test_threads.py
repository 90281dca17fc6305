"""Threads under faults: a paused run survives any crash, one of two answers wins, and nothing is done twice or lost."""

from __future__ import annotations

import operator
from random import Random
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.graph import END, START, StateGraph
from drumline.testing import Faults, SimCluster
from drumline.types import Command, interrupt
from drumline_coordinator.fold import FOLDS
from drumline_graph.errors import UnknownInterruptError
from drumline_protocol.facts import (
    Checkpointed,
    GraphKept,
    GraphResumed,
    InputTaken,
    RunKept,
    TaskAnswered,
    UpdateBegun,
)
from drumline_protocol.keys import owner_of_thread

SEEDS = 12
OF_THREADS = {Checkpointed, GraphResumed, InputTaken, TaskAnswered, UpdateBegun, GraphKept, RunKept}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    big: str


def asking(name: str) -> Any:
    graph = StateGraph(State).add_node("first", lambda _state: {"said": [f"{name}1"], "big": name * 700})
    graph.add_node("ask", lambda _state: {"said": [interrupt(f"{name}?"), interrupt(f"{name}??")]})
    return graph.add_edge(START, "first").add_edge("first", "ask").compile()


CALLED = asking("c")


def graph_of(saver: Any = None) -> Any:
    """A subgraph that asks beside a node that does not, then a node that calls a graph which asks."""
    graph = StateGraph(State).add_node("sub", asking("s"))
    graph.add_node("beside", lambda _state: {"said": ["beside"]})
    graph.add_node("call", lambda _state: {"said": CALLED.invoke({"said": ["in"]})["said"]})
    graph.add_edge(START, "sub").add_edge(START, "beside").add_edge(["sub", "beside"], "call")
    return graph.compile(name="g", checkpointer=saver)


INPUTS: list[Any] = [
    {"said": ["i"]},
    *(Command(resume=f"a{n}") for n in range(4)),
    {"said": ["j"]},
    Command(resume="b"),
]


def shown(found: Any) -> Any:
    asked = found.pop("__interrupt__", ())
    return found, [each.value for each in asked]


def expected() -> list[Any]:
    here = graph_of(InMemorySaver())
    return [shown(here.invoke(given, {"configurable": {"thread_id": "t"}})) for given in INPUTS]


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_thread_goes_on_whatever_crashes(seed: int) -> None:
    with SimCluster({"g": graph_of()}, workers=3, coordinators=2, seed=seed, faults=Faults.rough()) as cluster:
        found = [shown(cluster.graph("g").invoke(given, on("t"))) for given in INPUTS]
        assert found == expected()
        cluster.client.threads.delete("t")
        [part] = cluster._engine.server.partitions
        assert not (
            part.threads or part.histories or part.values or part.thread_runs or part.changed or len(part.queue)
        )
        assert owner_of_thread("t") not in {owner for owner, _ in part.cells}


def looping(saver: Any = None) -> Any:
    """A node that calls a graph with one history, and a subgraph with one history, turn by turn."""
    called = asking("c").builder.compile(checkpointer=True)
    child = StateGraph(State).add_node("one", lambda state: {"said": [len(state["said"])]}).add_edge(START, "one")
    graph = StateGraph(State).add_node("call", lambda _state: {"said": [len(called.invoke({"said": ["in"]})["said"])]})
    graph.add_node("sub", child.compile(checkpointer=True)).add_edge(START, "call").add_edge("call", "sub")
    graph.add_conditional_edges("sub", lambda state: "call" if len(state["said"]) < 20 else END, ["call", END])
    return graph.compile(name="g", checkpointer=saver)


def turns(graph: Any) -> list[Any]:
    """Answers; in front of some the graph that asks is changed, so its questions have other ids."""
    found = [shown(graph.invoke({"said": ["i"]}, on("t")))]
    for number in range(6):
        if number % 3 == 2:
            place = {"thread_id": "t", "checkpoint_ns": "call"}
            graph.update_state({"configurable": place}, {"said": ["u"]}, "first")
        found.append(shown(graph.invoke(Command(resume=number), on("t"))))
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_graphs_with_one_history_go_on_whatever_crashes(seed: int) -> None:
    graph = looping()
    with SimCluster({"g": graph}, workers=3, coordinators=2, seed=seed, faults=Faults.rough()) as cluster:
        assert turns(cluster.client.graph("g", graph=graph)) == turns(looping(InMemorySaver()))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_of_two_answers_one_wins_and_runs_do_not_interleave(seed: int) -> None:
    rng = Random(seed)
    with SimCluster({"g": asking_twice()}, workers=3, coordinators=2, seed=seed, faults=Faults.rough()) as cluster:
        graph = cluster.graph("g")
        [question] = graph.invoke({"said": ["i"]}, on("t"))["__interrupt__"]
        runs = [graph.start(Command(resume={question.id: n}), on("t")) for n in range(2)]
        inputs = [graph.start({"said": [f"in {n}"]}, on("t")) for n in range(rng.randint(1, 3))]
        outcomes = []
        for run in runs:
            try:
                outcomes.append(cluster.result(run)["said"])
            except UnknownInterruptError as error:
                outcomes.append(str(error))
        won = [each for each in outcomes if isinstance(each, list)]
        assert len(won) == 1 and won[0][:3] in (["i", 0, "end"], ["i", 1, "end"]), outcomes
        winner = runs[outcomes.index(won[0])]
        assert all(winner in each for each in outcomes if isinstance(each, str)), outcomes
        said = won[0]
        for n, run in enumerate(inputs):
            found = cluster.result(run)
            assert found["said"] == [*said, f"in {n}"] and "__interrupt__" in found
            said = found["said"]


def asking_twice() -> Any:
    graph = StateGraph(State).add_node("ask", lambda _state: {"said": [interrupt("?")]})
    graph.add_node("end", lambda _state: {"said": ["end"]})
    return graph.add_edge(START, "ask").add_edge("ask", "end").compile(name="g")


def test_each_fact_of_threads_is_among_what_happens() -> None:
    served = graph_of()
    with SimCluster({"g": served}) as cluster:
        for given in INPUTS:
            cluster.graph("g").invoke(given, on("t"))
        cluster.client.graph("g", graph=served).update_state(on("t"), {"said": ["u"]}, "beside")
        logs = cluster._engine.watch.logs.values()
        facts = {type(fact) for log in logs for fact in log.facts}
    assert set(FOLDS) & OF_THREADS <= facts
