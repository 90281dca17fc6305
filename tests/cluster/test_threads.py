"""Threads on a cluster of threads in this process: streams, who goes first, what is told of threads, and deletion."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline import Cluster
from drumline.checkpoint.memory import InMemorySaver
from drumline.cluster.thread_store import ClusterThreads
from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline.types import Command, Send, StateUpdate, interrupt
from drumline_graph.errors import UnknownInterruptError
from drumline_graph.types import StateUpdates
from drumline_protocol.checkpoint_ids import next_checkpoint_id
from drumline_protocol.errors import InvalidRequest, RunCancelled, ThreadBusy, ThreadMoved, UnknownRun, UnknownThread
from drumline_protocol.keys import owner_of_thread

BIG = "x" * 30_000


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    big: str


def asking(name: str) -> Any:
    """A graph that says something large, asks two questions, and ends."""

    def first(_state: State) -> State:
        return {"said": [f"{name}1"], "big": BIG}

    def ask(state: State) -> State:
        return {"said": [interrupt(f"{name}?"), interrupt({"n": len(state["said"])})]}

    def last(state: State) -> State:
        return {"said": [f"{name}9", len(state["big"])]}

    graph = StateGraph(State).add_node(first).add_node(ask).add_node(last)
    return graph.add_edge(START, "first").add_edge("first", "ask").add_edge("ask", "last").compile()


CALLED = asking("called ")


def caller(_state: State) -> State:
    """A node that calls a graph twice: each asks, and goes on where it asked."""
    one = CALLED.invoke({"said": ["in"]})
    two = CALLED.invoke({"said": ["again"]})
    return {"said": [one["said"], two["said"]]}


def fan(_state: State) -> list[Send]:
    return [Send("leaf", {"said": [n], "big": str(n) * 20_000}) for n in range(2)]


def leaf(state: State) -> State:
    if state["said"] == [1]:
        return {"said": [interrupt("leaf?")]}
    return {"said": [len(state["big"])], "big": state["big"]}


def whole(saver: Any = None) -> Any:
    """Questions of a subgraph, of graphs that a node calls, and beside a sibling that has ended with a large result."""
    graph = StateGraph(State).add_node("sub", asking("sub ")).add_node(caller).add_node(leaf)
    graph.add_node("end", lambda state: {"said": [len(state["big"])]})
    graph.add_edge(START, "sub").add_edge("sub", "caller").add_conditional_edges("caller", fan, ["leaf"])
    return graph.add_edge("leaf", "end").compile(name="whole", checkpointer=saver)


class Gate:
    """Holds nodes until the test lets them go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Semaphore(0)

    def __call__(self) -> State:
        self.reached.release()
        assert self.open.wait(20)
        return {"said": ["gate"]}


GATE = Gate()


def gated() -> Any:
    graph = StateGraph(State).add_node("gate", lambda _state: GATE())
    graph.add_node("after", lambda state: {"said": [f"after {len(state['said'])}"]})
    return graph.add_edge(START, "gate").add_edge("gate", "after").compile(name="gated")


def calling(saver: Any = None) -> Any:
    """A node that calls a graph which asks."""
    graph = StateGraph(State).add_node("caller", lambda _state: CALLED.invoke({"said": ["in"]}))
    return graph.add_edge(START, "caller").compile(name="calling", checkpointer=saver)


GRAPHS = {"whole": whole(), "gated": gated(), "ask": asking(""), "calling": calling()}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster(GRAPHS) as made:
        yield made


@pytest.fixture(autouse=True)
def gate() -> Iterator[Gate]:
    """A closed gate for each test."""
    GATE.open.clear()
    yield GATE
    GATE.open.set()


def on(thread: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread, **more}}


def without_ids(found: Any) -> Any:
    asked = found.pop("__interrupt__", ())
    return found, [each.value for each in asked]


ANSWERS = [{"said": ["in"]}, *(Command(resume=f"answer {n}") for n in range(7)), {"said": ["second input"]}]


def test_questions_are_answered_as_in_this_process(cluster: Cluster) -> None:
    """Each input is a run of its own, and nothing but the thread is known to the next one."""
    here, there = whole(InMemorySaver()), cluster.graph("whole", graph=GRAPHS["whole"])
    for given in ANSWERS:
        assert without_ids(there.invoke(given, on("same"))) == without_ids(here.invoke(given, on("same"))), given


@pytest.mark.parametrize(
    "stops", [{"interrupt_before": ["caller"]}, {"interrupt_after": ["sub"]}, {"interrupt_after": "*"}]
)
def test_breakpoints_stop_as_in_this_process(cluster: Cluster, stops: Any) -> None:
    here, there = whole(InMemorySaver()), cluster.graph("whole", graph=GRAPHS["whole"])
    thread = on(f"stops at {stops}")
    for given in (*ANSWERS[:3], None, *ANSWERS[3:6], None):
        mine = here.invoke(given, thread, stream_mode="updates", **stops)
        theirs = there.invoke(given, thread, stream_mode="updates", **stops)
        assert [list(item) for item in theirs] == [list(item) for item in mine], given


def test_a_second_run_waits_and_both_are_read(cluster: Cluster, gate: Gate) -> None:
    graph, thread = cluster.graph("gated"), on("waits")
    first, second = graph.start({"said": ["one"]}, thread), graph.start({"said": ["two"]}, thread)
    assert gate.reached.acquire(timeout=20)
    assert cluster.status(first)["status"] == "open" and cluster.status(second)["status"] == "queued"
    told = cluster.threads.get("waits")
    assert (told["status"], told["run_id"], told["queued"]) == ("busy", first, [second])
    gate.open.set()
    assert cluster.result(second)["said"] == ["one", "gate", "after 2", "two", "gate", "after 5"]
    assert cluster.result(first)["said"] == ["one", "gate", "after 2"]
    assert cluster.threads.get("waits")["status"] == "idle"


def test_reject_interrupt_and_rollback(cluster: Cluster, gate: Gate) -> None:
    graph, thread = cluster.graph("gated"), on("strategies")
    first = graph.start({"said": ["one"]}, thread)
    assert gate.reached.acquire(timeout=20)
    with pytest.raises(ThreadBusy) as busy:
        graph.invoke({"said": ["two"]}, thread, multitask_strategy="reject")
    assert (busy.value.thread, busy.value.run) == ("strategies", first)
    second = graph.start({"said": ["two"]}, thread, multitask_strategy="interrupt")
    gate.open.set()
    assert cluster.result(second)["said"] == ["one", "gate", "two", "gate", "after 4"]
    assert cluster.status(first)["status"] == "paused"
    gate.open.clear()
    while gate.reached.acquire(blocking=False):
        pass
    third = graph.start({"said": ["three"]}, thread)
    assert gate.reached.acquire(timeout=20)
    fourth = graph.start({"said": ["four"]}, thread, multitask_strategy="rollback")
    with pytest.raises(RunCancelled, match=fourth):
        cluster.result(third)
    gate.open.set()
    assert cluster.result(fourth)["said"] == ["one", "gate", "two", "gate", "after 4", "four", "gate", "after 7"]
    with pytest.raises(ValueError, match="multitask_strategy"):
        graph.start({"said": []}, thread, multitask_strategy="now")  # type: ignore[arg-type]


def test_fifty_clients_answer_at_once_and_one_wins(cluster: Cluster) -> None:
    graph, thread = cluster.graph("ask"), on("fifty")
    [question] = graph.invoke({"said": []}, thread)["__interrupt__"]
    runs: list[str] = []
    callers = [
        threading.Thread(target=lambda n=n: runs.append(graph.start(Command(resume={question.id: n}), thread)))
        for n in range(50)
    ]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    winner = cluster.threads.get("fifty")["run_id"]
    assert len(set(runs)) == 50 and winner in runs
    assert "__interrupt__" in cluster.result(winner)
    for run in runs:
        if run != winner:
            with pytest.raises(UnknownInterruptError, match=winner) as late:
                cluster.result(run)
            assert late.value.reason == "not_pending"


def test_a_run_of_a_callers_own_id_is_found_beside_its_thread(cluster: Cluster) -> None:
    graph: Any = cluster.graph("ask")
    config = {**on("home"), "run_id": "mine"}
    assert graph.start({"said": []}, config) == "mine"
    assert "__interrupt__" in cluster.result("mine", thread_id="home")
    assert cluster.status("mine", thread_id="home")["status"] == "paused"
    assert list(cluster.join("mine", thread_id="home"))
    again = list(graph.stream({"said": []}, config, stream_mode="updates"))
    assert [list(item) for item in again] == [["first"], ["__interrupt__"]]
    if cluster.link.partition("mine") != cluster.link.partition("mine", "home"):
        with pytest.raises(UnknownRun):
            cluster.status("mine")


def test_what_waits_for_a_person_is_listed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    graph: Any = cluster.graph("ask")
    for n in range(3):
        graph.invoke({"said": []}, {**on(f"person {n}"), "metadata": {"team": "a", "n": n}})
    graph.invoke(Command(resume="x"), on("person 0"))
    found = {row["thread_id"]: row["interrupt"].value for row in cluster.interrupts(graph="ask")}
    assert found["person 0"] == {"n": 1} and found["person 1"] == found["person 2"] == "?"
    assert cluster.interrupts(graph="ask", older_than=3600) == [] == cluster.interrupts(graph="nobody's")
    now = time.time()
    with monkeypatch.context() as ahead:  # the clock of the client's host does not matter
        ahead.setattr(time, "time", lambda: now + 7200)
        assert cluster.interrupts(graph="ask", older_than=3600) == []
    mine = cluster.threads.search(metadata={"team": "a"}, status="paused")
    assert [row["thread_id"] for row in mine] == ["person 0", "person 2", "person 1"]
    assert [row["thread_id"] for row in cluster.threads.list(metadata={"team": "a", "n": 2})] == ["person 2"]
    assert len(cluster.threads.list(metadata={"team": "a"}, limit=1, offset=1)) == 1
    assert asyncio.run(cluster.threads.asearch(metadata={"team": "a"}, status="paused")) == mine
    assert asyncio.run(cluster.ainterrupts(graph="ask")) == cluster.interrupts(graph="ask")
    assert cluster.threads.list(status="busy", metadata={"team": "a"}) == []


def test_history_is_read_the_newest_first_and_added_to_from_outside(cluster: Cluster) -> None:
    graph = cluster.graph("ask")
    graph.invoke({"said": ["i"]}, on("outside"))
    store = ClusterThreads(cluster.link, "ask")
    found = list(store.history("outside", ""))
    assert [(each.checkpoint.step, each.is_head) for each in found] == [(1, True), (0, False), (-1, False)]
    assert found[0].checkpoint.cells["big"] == BIG and "big" not in found[1].checkpoint.cells
    assert [each.checkpoint.step for each in store.history("outside", "", limit=1, before=found[0].checkpoint.id)] == [
        0
    ]
    assert list(store.history("outside", "", metadata={"source": "nobody"})) == []
    for each in found:
        assert store.get("outside", "", each.checkpoint.id) == each
    assert store.get("outside", "") == found[0] and store.get("nobody", "") is None
    old = found[0].checkpoint
    cells = {**old.cells, "said": ["edited"]}
    new = replace(
        old, id=next_checkpoint_id(old.id, old.at_ms, "me"), parent=old.id, source="update", cells=cells, kept={}
    )
    store.save("outside", [new], head=old.id)
    assert store.get("outside", "").checkpoint.cells["said"] == ["edited"]  # type: ignore[union-attr]
    with pytest.raises(ThreadMoved):
        store.save("outside", [new], head=old.id)
    [question] = graph.invoke(None, on("outside"))["__interrupt__"]
    assert graph.invoke(Command(resume={question.id: "a"}), on("outside"))["said"] == ["edited"]


def test_a_copy_goes_its_own_way(cluster: Cluster) -> None:
    graph = cluster.graph("ask")
    graph.invoke({"said": ["i"]}, on("origin"))
    cluster.threads.copy("origin", "copy")
    for thread in ("copy", "origin"):
        graph.invoke(Command(resume=thread), on(thread))
        assert graph.invoke(Command(resume="b"), on(thread))["said"] == ["i", "1", thread, "b", "9", len(BIG)]
    with pytest.raises(ThreadMoved):
        cluster.threads.copy("origin", "copy")
    with pytest.raises(UnknownThread):
        cluster.threads.copy("nobody", "new")


@pytest.mark.parametrize("busy", [False, True])
def test_a_scan_finds_nothing_of_a_thread_that_was_deleted(cluster: Cluster, gate: Gate, busy: bool) -> None:
    graph, thread = cluster.graph("whole"), on("erased")
    runs = [graph.start({"said": ["in"]}, thread)]
    for n in range(4):
        cluster.result(runs[-1])
        runs.append(graph.start(Command(resume=n), thread))
    cluster.result(runs[-1])
    if busy:
        runs.append(cluster.graph("gated").start({"said": ["two"]}, thread))
        assert gate.reached.acquire(timeout=20)
        runs.append(cluster.graph("gated").start({"said": ["three"]}, thread))
    cluster.threads.delete("erased")
    with pytest.raises(UnknownThread):
        cluster.threads.get("erased")
    broker: Any = cluster.broker()
    part = broker.server.partition(ClusterThreads(cluster.link).partition("erased"))
    gate.open.set()
    for name in ("threads", "histories", "values", "thread_runs", "changed", "runs", "logs"):
        assert not [key for key in getattr(part, name) if key == "erased" or key in runs], name
    owners = {owner for owner, _ in part.cells}
    assert owner_of_thread("erased") not in owners
    assert not [blob for blob in part.blobs if blob.startswith(tuple(runs))]
    assert not [row for row in part.queue.after((0, 0)) if row[1].thread == "erased"]


def test_a_node_that_calls_a_cluster_does_not_wait_for_its_own_thread(cluster: Cluster) -> None:
    inner = cluster.graph("ask")
    outer = StateGraph(State).add_node("call", lambda _state: {"said": [list(inner.invoke({"said": ["x"]}))]})
    with local_cluster({"outer": outer.add_edge(START, "call").compile(name="outer")}) as other:
        graph, thread = other.graph("outer"), on("outer thread")
        [question] = graph.invoke({"said": []}, thread)["__interrupt__"]
        assert question.value == "?"  # what it waits for asks, and so does it
        [question] = graph.invoke(Command(resume="one"), thread)["__interrupt__"]
        assert question.value == {"n": 2}
        assert graph.invoke(Command(resume="two"), thread)["said"] == [["said", "big"]]


def test_large_values_given_to_a_called_graph_reach_its_worker(cluster: Cluster) -> None:
    """The coordinator keeps them in the cell store, which knows no worker's task: they travel with it."""

    def told(graph: Any) -> list[Any]:
        graph.invoke({"said": ["i"]}, on("large"))
        [task] = graph.get_state(on("large"), subgraphs=True).tasks
        graph.update_state(task.state.config, {"said": ["u" * 70_000], "big": BIG * 3}, "first")
        found = [graph.invoke(Command(resume=n), on("large"))["said"] for n in range(2)]
        return [*found, [each.values for each in graph.get_state_history(on("large"))]]

    assert told(cluster.graph("calling", graph=GRAPHS["calling"])) == told(calling(InMemorySaver()))
    cluster.threads.delete("large")


def test_a_graph_within_is_updated_while_the_thread_waits(cluster: Cluster) -> None:
    """The thread waits for its answer as before; a namespace that the graph has not is refused."""
    graph = cluster.graph("whole", graph=GRAPHS["whole"])
    graph.invoke({"said": ["i"]}, on("within"))
    [task] = graph.get_state(on("within"), subgraphs=True).tasks
    asked = cluster.interrupts(graph="whole")
    graph.update_state(task.state.config, {"said": ["u"]}, "ask")
    assert cluster.threads.get("within")["status"] == "paused" and asked
    assert graph.get_state(on("within"), subgraphs=True).tasks[0].state.metadata["source"] == "update"
    with pytest.raises(ValueError, match="Subgraph nope not found"):
        graph.update_state(on("within", checkpoint_ns="nope:1"), {"said": ["u"]}, "ask")
    with pytest.raises(InvalidRequest, match="has no graph within at 'nope:1'"):
        list(graph.run(graph._bound._update_call(on("within"), StateUpdates("nope:1", [[StateUpdate({})]]))))
    cluster.threads.delete("within")


def test_a_rollback_takes_back_what_graphs_with_one_history_did(gate: Gate) -> None:
    """The next call goes on from where the thread stood before."""
    counts = StateGraph(State).add_node("one", lambda state: {"said": [len(state["said"])]}).add_edge(START, "one")
    called = counts.compile(checkpointer=True)

    def call(_state: State) -> State:
        return {"said": [len(called.invoke({"said": ["in"]})["said"])]}

    graph = StateGraph(State).add_node(call).add_node("wait", lambda _state: GATE()).add_edge(START, "call")
    with local_cluster({"g": graph.add_edge("call", "wait").compile()}) as served:
        g = served.graph("g")
        gate.open.set()
        assert g.invoke({"said": ["a"]}, on("t"))["said"] == ["a", 2, "gate"]
        gate.open.clear()
        first = g.start({"said": ["b"]}, on("t"))
        for _ in range(2):
            assert gate.reached.acquire(timeout=20)
        second = g.start({"said": ["c"]}, on("t"), multitask_strategy="rollback")
        gate.open.set()
        assert served.result(second)["said"] == ["a", 2, "gate", "c", 4, "gate"]
        with pytest.raises(RunCancelled):
            served.result(first)


@pytest.mark.timeout(60)
def test_a_node_that_changes_the_thread_of_its_own_run_is_told_so() -> None:
    """The run holds the thread, and waits for the node: waiting for each other they would never end."""
    served: dict[str, Any] = {}

    def changes(_state: State) -> State:
        try:
            served["own"].update_state(on("own"), {"said": ["from within"]}, "changes")
        except ThreadBusy as error:
            told = str(error)
        served["own"].update_state(on("another"), {"said": ["from outside"]}, "changes")
        return {"said": [told]}

    graph = StateGraph(State).add_node(changes).add_edge(START, "changes").compile(name="own")
    with local_cluster({"own": graph}) as made:
        served["own"] = made.graph("own", graph=graph)
        run = served["own"].start({"said": ["in"]}, on("own"))
        said = made.result(run)["said"]
        assert said[0] == "in" and run in said[1]
        assert served["own"].get_state(on("another")).values["said"] == ["from outside"]
