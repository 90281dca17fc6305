"""A thread meets another version of its graph: it goes on, goes on with a note, is migrated, or says why it cannot."""

from __future__ import annotations

import operator
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver as LangGraphsSaver
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.errors import GraphMismatch
from drumline.graph import START, StateGraph
from drumline.testing import local_cluster
from drumline.testing._local.broker import LocalServer
from drumline.types import Command, Send, interrupt
from drumline.warnings import RunWarning
from drumline_protocol.errors import ThreadMismatch

ON = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    name: str


def ask(_state: Any) -> Any:
    return {"said": [interrupt("?")]}


def graph(*nodes: str, schema: Any = State, sub: Any = None, **options: Any) -> Any:
    """A chain of nodes; those that begin with `ask` ask, and `sub` is the graph that was given."""
    made = StateGraph(schema)
    before = START
    for node in nodes:
        action: Any = ask if node.startswith("ask") else sub if node == "sub" else _says(node)
        made.add_node(node, action)
        made.add_edge(before, node)
        before = node
    return made.compile(name="g", **options)


def _says(node: str) -> Callable[[Any], Any]:
    return lambda _state: {"said": [node]}


class Embedded:
    """One store that all versions of the graph share."""

    def __init__(self, saver: Any) -> None:
        self._saver = saver

    def of(self, version: Any) -> Any:
        version.checkpointer = self._saver
        return version


@pytest.fixture(params=["memory", "sqlite", "langgraph"])
def store(request: pytest.FixtureRequest) -> Iterator[Embedded]:
    if request.param == "sqlite":
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        yield Embedded(SqliteSaver(connection))
        connection.close()
    else:
        yield Embedded(InMemorySaver() if request.param == "memory" else LangGraphsSaver())


@pytest.fixture
def own(store: Embedded) -> Embedded:
    """A saver of drumline's, which keeps fingerprints."""
    if isinstance(store._saver, LangGraphsSaver):
        pytest.skip("LangGraph's savers keep no fingerprint")
    return store


def test_the_same_version_goes_on_without_a_note(store: Embedded) -> None:
    store.of(graph("a", "ask", "b")).invoke({"said": []}, ON)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = store.of(graph("a", "ask", "b")).invoke(Command(resume="yes"), ON)
    assert found["said"] == ["a", "yes", "b"]


def test_a_version_that_has_the_node_goes_on_with_a_note(own: Embedded) -> None:
    old, new = graph("a", "ask", "b"), graph("a", "ask", "c")
    own.of(old).invoke({"said": []}, ON)
    with pytest.warns(RunWarning, match=rf"'t'.*{old.program.fingerprint[:12]}.*{new.program.fingerprint[:12]}.*ask"):
        found = own.of(new).invoke(Command(resume="yes"), ON)
    assert found["said"] == ["a", "yes", "c"]
    with warnings.catch_warnings():  # its last checkpoint is of this version
        warnings.simplefilter("error")
        own.of(new).invoke(None, ON)


def test_a_node_that_is_gone_is_named(store: Embedded) -> None:
    store.of(graph("a", "ask", "b")).invoke({"said": []}, ON)
    new = store.of(graph("a", "question", "b"))
    before = list(store.of(graph("a", "ask", "b")).get_state_history(ON))
    with pytest.raises(ThreadMismatch, match=r"thread 't'.*node 'ask'.*none of that name") as caught:
        new.invoke(Command(resume="yes"), ON)
    assert isinstance(caught.value, GraphMismatch)
    assert (caught.value.thread, caught.value.name) == ("t", "g")
    assert list(store.of(graph("a", "ask", "b")).get_state_history(ON)) == before
    assert new.invoke({"said": ["new"]}, ON)["said"] == ["a", "new", "a", "question", "b"]  # a new input begins anew


def test_an_update_moves_a_thread_on_whose_node_is_gone(store: Embedded) -> None:
    store.of(graph("a", "ask", "b")).invoke({"said": []}, ON)
    new = store.of(graph("a", "question", "b"))
    new.update_state(ON, {"said": ["by hand"]}, as_node="question")
    assert new.invoke(None, ON)["said"] == ["a", "by hand", "b"]


def test_a_send_to_a_node_that_is_gone_is_named(store: Embedded) -> None:
    def fanned(leaf: str) -> Any:
        made = StateGraph(State).add_node("a", _says("a")).add_node(leaf, ask)
        made.add_conditional_edges("a", lambda _state: [Send(leaf, {})], [leaf])
        return store.of(made.add_edge(START, "a").compile(name="g"))

    fanned("leaf").invoke({"said": []}, ON)
    with pytest.raises(ThreadMismatch, match="node 'leaf'"):
        fanned("twig").invoke(Command(resume=1), ON)


def test_a_node_that_only_the_result_of_a_task_names_is_named(store: Embedded) -> None:
    def two(after: str) -> Any:
        made = StateGraph(State).add_node("a", _says("a")).add_node("ask", ask).add_node(after, _says(after))
        return store.of(made.add_edge(START, "a").add_edge(START, "ask").add_edge("a", after).compile(name="g"))

    two("b").invoke({"said": []}, ON)
    with pytest.raises(ThreadMismatch, match="node 'b'"):
        two("c").invoke(Command(resume=1), ON)


def test_a_node_of_a_subgraph_that_is_gone_is_named(store: Embedded) -> None:
    store.of(graph("a", "sub", sub=graph("ask", "b"))).invoke({"said": []}, ON)
    with pytest.raises(ThreadMismatch, match=r"at 'sub:.*node 'ask'"):
        store.of(graph("a", "sub", sub=graph("other", "b"))).invoke(Command(resume=1), ON)


def test_a_field_that_the_reducer_cannot_take_is_named(own: Embedded) -> None:
    class Text(TypedDict, total=False):
        said: Annotated[str, operator.add]

    own.of(graph("a", "ask")).invoke({"said": []}, ON)
    for given in (Command(resume=1), {"said": "x"}):
        with pytest.raises(ThreadMismatch, match="field 'said' holds a list, and its reducer begins with a str"):
            own.of(graph("a", "ask", schema=Text)).invoke(given, ON)


@dataclass
class Person:
    name: str


def test_a_field_of_a_class_that_the_graph_does_not_name_any_more_is_named() -> None:
    class Old(TypedDict, total=False):
        said: Annotated[list[Any], operator.add]
        who: Person

    class New(TypedDict, total=False):
        said: Annotated[list[Any], operator.add]
        who: Any

    connection = sqlite3.connect(":memory:", check_same_thread=False)
    store = Embedded(SqliteSaver(connection))
    store.of(graph("a", "ask", schema=Old)).invoke({"said": [], "who": Person("Ada")}, ON)
    with pytest.raises(ThreadMismatch, match=r"field 'who' holds an object of class .*Person"):
        store.of(graph("a", "ask", schema=New)).invoke(Command(resume=1), ON)
    connection.close()


def test_keys_come_and_go(own: Embedded) -> None:
    class Less(TypedDict, total=False):
        said: Annotated[list[Any], operator.add]
        more: Annotated[list[Any], operator.add]

    own.of(graph("a", "ask")).invoke({"said": [], "name": "Ada"}, ON)
    new = own.of(graph("a", "ask", schema=Less))
    assert new.get_state(ON).values == {"said": ["a"], "more": []}
    with pytest.warns(RunWarning):
        assert new.invoke(Command(resume=1), ON) == {"said": ["a", 1], "more": []}


class Names(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    names: list[str]


def to_names(values: dict[str, Any], was: str) -> dict[str, Any]:
    """From `State` to `Names`; whatever is of the new form already stays."""
    assert len(was) in (0, 12)
    if "name" in values:
        values["said"].append("migrated")  # in place: the store's own value must not notice
        values["names"] = [values.pop("name")]
    return values


@pytest.mark.filterwarnings("ignore::drumline.warnings.RunWarning")
def test_the_state_is_migrated_once(store: Embedded) -> None:
    old = graph("a", "ask", "b")
    store.of(old).invoke({"said": ["x" * 200], "name": "Ada"}, ON)
    before = list(store.of(old).get_state_history(ON))
    new = store.of(graph("a", "ask", "b", schema=Names, migrate=to_names))
    shown = {"said": ["x" * 200, "a", "migrated"], "names": ["Ada"]}
    assert new.get_state(ON).values == shown
    assert new.invoke(Command(resume="yes"), ON) == {**shown, "said": [*shown["said"], "yes", "b"]}
    assert new.get_state(ON).values == {**shown, "said": [*shown["said"], "yes", "b"]}
    assert new.invoke({"said": ["again"]}, {**ON})["said"].count("migrated") == 1
    then = {state.config["configurable"]["checkpoint_id"]: state.values for state in before}
    now = {s.config["configurable"]["checkpoint_id"]: s.values for s in store.of(old).get_state_history(ON)}
    assert then.items() <= now.items()


@pytest.mark.filterwarnings("ignore::drumline.warnings.RunWarning")
def test_a_key_that_migrate_leaves_out_is_empty(own: Embedded) -> None:
    own.of(graph("a", "ask", "b")).invoke({"said": [], "name": "Ada"}, ON)
    new = own.of(graph("a", "ask", "c", migrate=lambda values: {"said": values["said"]}))
    assert new.invoke(Command(resume="yes"), ON) == {"said": ["a", "yes", "c"]}


def test_migrate_must_return_a_dict(own: Embedded) -> None:
    own.of(graph("a", "ask", "b")).invoke({"said": []}, ON)
    with pytest.raises(TypeError, match=r"migrate= of graph 'g' must return .*NoneType"):
        own.of(graph("a", "ask", "c", migrate=lambda _values: None)).invoke(None, ON)


def test_what_migrate_raises_reaches_the_caller(own: Embedded) -> None:
    def migrate(_values: Any) -> Any:
        raise LookupError("no way")

    own.of(graph("a", "ask", "b")).invoke({"said": []}, ON)
    with pytest.raises(LookupError, match="no way"):
        own.of(graph("a", "ask", "c", migrate=migrate)).invoke(None, ON)


# -- on a cluster -------------------------------------------------------------------------------------


class Versions:
    """A cluster whose processes end, and begin again with another version of the graph."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self.cluster: Any = None

    def of(self, version: Any) -> Any:
        self.close()
        self.cluster = self._make({"g": version})
        return version.on(self.cluster, "g")

    def close(self) -> None:
        if self.cluster is not None:
            self.cluster.close()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Versions]:
    server = LocalServer(2)

    def make(graphs: Any) -> Any:
        server.closed = False
        return local_cluster(graphs)

    monkeypatch.setattr("drumline.testing.local.LocalServer", lambda _partitions: server)
    made = Versions(make)
    yield made
    made.close()


def test_a_cluster_tells_it_alike(cluster: Versions, caplog: pytest.LogCaptureFixture) -> None:
    old = graph("a", "ask", "b")
    cluster.of(old).invoke({"said": []}, ON)
    with pytest.raises(ThreadMismatch, match=r"thread 't'.*node 'ask'"):
        cluster.of(graph("a", "question", "b")).invoke(Command(resume="yes"), ON)
    assert cluster.cluster.threads.get("t")["status"] == "paused"
    found = cluster.of(graph("a", "ask", "c")).invoke(Command(resume="yes"), ON)
    assert found["said"] == ["a", "yes", "c"]
    assert [record for record in caplog.records if old.program.fingerprint[:12] in record.getMessage()]


def test_a_cluster_migrates(cluster: Versions) -> None:
    cluster.of(graph("a", "ask", "b")).invoke({"said": ["x" * 30_000], "name": "Ada"}, ON)
    new = cluster.of(graph("a", "ask", "b", schema=Names, migrate=to_names))
    shown = {"said": ["x" * 30_000, "a", "migrated"], "names": ["Ada"]}
    assert new.get_state(ON).values == shown
    assert new.invoke(Command(resume="yes"), ON) == {**shown, "said": [*shown["said"], "yes", "b"]}
    assert new.get_state(ON).values == {**shown, "said": [*shown["said"], "yes", "b"]}
    assert new.invoke({"said": ["again"]}, ON)["said"].count("migrated") == 1


def test_a_cluster_lists_threads_that_cannot_go_on(cluster: Versions) -> None:
    old = cluster.of(graph("a", "sub", sub=graph("ask", "b")))
    old.invoke({"said": []}, ON)
    old.invoke({"said": []}, {"configurable": {"thread_id": "other"}})
    fine, gone = graph("a", "sub", sub=graph("ask", "c")), graph("a", "sub", sub=graph("question", "b"))
    cluster.of(gone)
    threads = cluster.cluster.threads
    assert threads.stale({"g": fine}) == threads.stale({}) == threads.stale({"g": gone}, graph="h") == []
    found = {row["thread_id"]: row["why"] for row in threads.stale({"g": gone})}
    assert found.keys() == {"t", "other"}
    assert all(len(why) == 1 and why[0].startswith("node 'ask' is to run next") for why in found.values())
