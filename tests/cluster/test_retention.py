"""Threads of a cluster are pruned: what stays can be read, forked and gone on from, and what went is gone."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline import Cluster
from drumline.checkpoint.memory import InMemorySaver
from drumline.cluster.thread_store import ClusterThreads
from drumline.graph import START, StateGraph
from drumline.retention import Retention
from drumline.testing import local_cluster
from drumline.types import Command, Send, interrupt
from drumline_protocol.errors import RunExpired, UnknownRun, UnknownThread
from drumline_protocol.keys import owner_of_thread

BIG = 20_000


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    big: str


def say(state: State) -> State:
    return {"said": ["x" * BIG], "big": str(len(state["said"])) * BIG}


def ask(_state: State) -> State:
    return {"said": [interrupt("?")]}


def fan(_state: State) -> list[Send]:
    return [Send("leaf", {"said": [n], "big": str(n) * BIG}) for n in range(2)]


def leaf(state: State) -> State:
    return {"said": [state["big"][:2], interrupt("leaf?") if state["said"] == [1] else None]}


def sub() -> Any:
    graph = StateGraph(State).add_node(say).add_node(ask)
    return graph.add_edge(START, "say").add_edge("say", "ask").compile()


def whole(saver: Any = None) -> Any:
    """A large state, a subgraph that asks, and Sends with large arguments of which one asks."""
    graph = StateGraph(State).add_node(say).add_node("sub", sub()).add_node(leaf)
    graph.add_edge(START, "say").add_edge("say", "sub").add_conditional_edges("sub", fan, ["leaf"])
    return graph.compile(name="whole", checkpointer=saver)


def counter() -> Any:
    return StateGraph(State).add_node("count", say).add_edge(START, "count").compile(checkpointer=True)


COUNTER = counter()


def callers() -> Any:
    """A node that is a graph with one history for all its calls, and one whose code calls such a graph."""

    def call(_state: State) -> State:
        return {"said": [len(COUNTER.invoke({"said": ["in"]})["said"])]}

    def look(state: State) -> State:
        return {"said": [len(state["said"]), interrupt("?")]}

    graph = StateGraph(State).add_node("sub", counter()).add_node(call).add_node(look)
    return graph.add_edge(START, "sub").add_edge("sub", "call").add_edge("call", "look").compile(name="callers")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster({"whole": whole(), "callers": callers()}) as made:
        yield made


def on(thread: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread, **more}}


def short(value: Any) -> Any:
    """Values without their bulk."""
    if isinstance(value, str):
        return value[:5]
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items() if key != "__interrupt__"}
    return [short(item) for item in value] if isinstance(value, list) else value


def turn(graph: Any, thread: str, n: int = 0) -> list[Any]:
    """One whole round of the graph on a thread: an input and two answers."""
    found = [graph.invoke({"said": [n]}, on(thread))]
    found += [graph.invoke(Command(resume=answer), on(thread)) for answer in ("one", "two")]
    return short(found)


def stored(cluster: Any, thread: str) -> tuple[int, int, int]:
    """Rows of the history, versions of cells and blobs that there are of a thread."""
    broker = cluster.broker()
    p = ClusterThreads(cluster.link).partition(thread)
    part = broker.server.partition(p)
    cells = [stream for (owner, _), stream in part.cells.items() if owner == owner_of_thread(thread)]
    blobs = [name for name in part.values.get(thread, ()) if name.startswith("b:")]
    return len(part.histories[thread]), sum(map(len, cells)), len(blobs)


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_a_pruned_thread_goes_on_as_if_nothing_had_happened(cluster: Cluster, asked: int) -> None:
    """Whatever it waits for: the subgraph's answer, the leaf's, or an input."""
    graph, thread, twin = cluster.graph("whole"), f"goes on {asked}", whole(InMemorySaver())
    inputs = [{"said": [1]}, Command(resume="one"), Command(resume="two")]
    for given in [*inputs * 3, *inputs[:asked]]:
        graph.invoke(given, on(thread))
        twin.invoke(given, on(thread))
    before, rows, cells, blobs = graph.get_state(on(thread), subgraphs=True), *stored(cluster, thread)
    cluster.threads.prune([thread])
    assert graph.get_state(on(thread), subgraphs=True) == before
    assert [state.config for state in graph.get_state_history(on(thread))] == [before.config]
    left = stored(cluster, thread)
    assert left[0] < rows / 4 and left[1] < cells and left[2] <= blobs
    for given in [*inputs[asked % 3 :], *inputs]:
        assert short(graph.invoke(given, on(thread))) == short(twin.invoke(given, on(thread)))


def test_graphs_with_one_history_for_all_their_calls_go_on(cluster: Cluster) -> None:
    graph, thread = cluster.graph("callers"), "callers"
    twin = callers()
    twin.checkpointer = InMemorySaver()
    for n in range(4):
        for given in ({"said": [n]}, Command(resume=n)):
            assert short(graph.invoke(given, on(thread))) == short(twin.invoke(given, on(thread)))
            cluster.threads.prune([thread])
    assert len(list(graph.get_state_history(on(thread)))) == 1


def test_what_stays_can_be_forked(cluster: Cluster) -> None:
    graph, thread = cluster.graph("whole"), "forks"
    for n in range(4):
        turn(graph, thread, n)
    history = list(graph.get_state_history(on(thread)))
    cluster.threads.prune([thread], retention=Retention(max_checkpoints=6))
    assert list(graph.get_state_history(on(thread))) == history[:6]
    for state in history[:6]:
        forked = graph.update_state(state.config, {"said": ["fork"]}, as_node="say")
        assert short(graph.get_state(forked).values["said"]) == short([*state.values["said"], "fork"])
    assert [s for s in graph.get_state_history(on(thread)) if s.config in [h.config for h in history]] == history[:6]


def test_a_branch_from_an_old_checkpoint_keeps_what_it_stands_on(cluster: Cluster) -> None:
    graph, thread = cluster.graph("whole"), "branch"
    for n in range(3):
        turn(graph, thread, n)
    oldest = list(graph.get_state_history(on(thread)))[-3]
    forked = graph.update_state(oldest.config, {"said": ["fork"]}, as_node="say")
    state = graph.get_state(forked)
    cluster.threads.prune([thread])
    assert graph.get_state(on(thread)) == state
    graph.invoke(None, on(thread))
    found = graph.invoke(Command(resume="one"), on(thread))["said"]
    assert short(found[:8]) == short([*state.values["said"], *state.values["said"], "x" * BIG, "one"])


def test_runs_that_began_before_are_gone_and_others_are_not(cluster: Cluster) -> None:
    graph, thread = cluster.graph("whole"), "logs"
    runs = []
    for given in [{"said": [1]}, Command(resume="one"), Command(resume="two")] * 2:
        runs.append(graph.start(given, on(thread)))
        list(cluster.join(runs[-1]))
    told = {run: list(cluster.join(run)) for run in runs}
    cluster.threads.prune([thread], retention=Retention(max_checkpoints=2))
    for run in runs[:4]:
        with pytest.raises((UnknownRun, RunExpired)):
            list(cluster.join(run))
    assert [list(cluster.join(run)) for run in runs[5:]] == [told[run] for run in runs[5:]]


def test_delete_and_unknown_threads(cluster: Cluster) -> None:
    turn(cluster.graph("whole"), "gone")
    cluster.threads.prune(["gone", "never there"], strategy="delete")
    cluster.threads.prune(["gone"])
    with pytest.raises(UnknownThread):
        cluster.threads.get("gone")
    with pytest.raises(UnknownThread):
        cluster.threads.retain("gone", Retention(max_checkpoints=1))
    with pytest.raises(ValueError, match="unknown strategy 'some'"):
        cluster.threads.prune(["gone"], strategy="some")  # type: ignore[arg-type]


def test_a_thread_has_rules_of_its_own(cluster: Cluster) -> None:
    turn(cluster.graph("whole"), "own")
    changed = cluster.threads.get("own")["updated_ms"]
    cluster.threads.retain("own", Retention(max_checkpoints=3, keep="interrupted"))
    head = ClusterThreads(cluster.link).head("own")
    assert head is not None and head.retention == {"max_checkpoints": 3, "keep": "interrupted"}
    assert cluster.threads.get("own")["updated_ms"] == changed
    cluster.threads.retain("own", None)
    head = ClusterThreads(cluster.link).head("own")
    assert head is not None and head.retention == {}


def test_a_prune_at_once_after_a_run(cluster: Cluster) -> None:
    """It waits for the answer to the commit that ended the run."""
    graph = cluster.graph("whole")
    for n in range(5):
        turn(graph, "at once", n)
        cluster.threads.prune(["at once"])
        assert len(list(graph.get_state_history(on("at once")))) == 1


def test_async_twins(cluster: Cluster) -> None:
    turn(cluster.graph("whole"), "twins")

    async def prune() -> None:
        await cluster.threads.aretain("twins", Retention(max_checkpoints=2))
        await cluster.threads.aprune(["twins"])

    asyncio.run(prune())
    assert len(list(cluster.graph("whole").get_state_history(on("twins")))) == 1
