"""A compiled graph is frozen, knows nothing of its builder, and is freed with its last user."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest
from typing_extensions import TypedDict

from drumline_coordinator.sketch import sketch_program
from drumline_graph.builder import StateGraph
from drumline_graph.channels import LastValue
from drumline_graph.constants import END, START
from drumline_graph.frozen import Keys
from drumline_graph.program import Program
from drumline_protocol.codec import Codec


class State(TypedDict, total=False):
    n: int
    other: str


def builder() -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    graph.add_node("a", lambda _: {"n": 1}, destinations={"b": "on"}).add_node("b", lambda _: {"n": 2})
    graph.add_edge(START, "a").add_edge(["a"], "b")
    graph.add_conditional_edges("b", lambda _: "stop", {"stop": END})
    return graph


def program() -> Program:
    return builder().compile()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [item.name for item in fields(Program)])
def test_no_attribute_can_be_set(name: str) -> None:
    made = program()
    before = getattr(made, name)
    with pytest.raises(FrozenInstanceError):
        setattr(made, name, None)
    with pytest.raises(FrozenInstanceError):
        delattr(made, name)
    assert getattr(made, name) is before


def test_no_attribute_can_be_added() -> None:
    with pytest.raises((AttributeError, TypeError)):
        program().sketches = {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", ["nodes", "channels", "managed", "trigger_to_nodes", "unseen_defaults"])
def test_no_table_can_be_changed(table: str) -> None:
    made: Any = getattr(program(), table)
    with pytest.raises(TypeError):
        made["new"] = None
    assert "new" not in made
    assert not hasattr(made, "update")


CHANGES: dict[str, Callable[[Any], Any]] = {
    "append": lambda keys: keys.append("x"),
    "extend": lambda keys: keys.extend(["x"]),
    "insert": lambda keys: keys.insert(0, "x"),
    "remove": lambda keys: keys.remove("n"),
    "pop": lambda keys: keys.pop(),
    "clear": lambda keys: keys.clear(),
    "sort": lambda keys: keys.sort(),
    "reverse": lambda keys: keys.reverse(),
    "set": lambda keys: keys.__setitem__(0, "x"),
    "delete": lambda keys: keys.__delitem__(0),
    "add": lambda keys: keys.__iadd__(["x"]),
    "repeat": lambda keys: keys.__imul__(2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("keys", ["input_keys", "output_keys", "stream_keys"])
def test_no_key_can_be_added_or_taken(keys: str, change: Callable[[Any], Any]) -> None:
    made = program()
    with pytest.raises(TypeError, match="compile it again"):
        change(getattr(made, keys))
    assert getattr(made, keys) == ["n", "other"]


def test_every_method_that_changes_a_list_is_refused() -> None:
    changing = {name for name in dir(list) if name not in dir(tuple)} - {"copy", "__reversed__"}
    assert changing <= vars(Keys).keys()


def test_nodes_and_branches_are_frozen_too() -> None:
    made = program()
    node = made.nodes["b"]
    for frozen in (node, node.branches[0]):
        with pytest.raises(FrozenInstanceError):
            setattr(frozen, "name", "other")  # noqa: B010 (type checkers refuse the plain form)
        with pytest.raises(TypeError):
            frozen.input_keys.append("x")  # type: ignore[union-attr]
    with pytest.raises(TypeError):
        node.branches[0].ends["x"] = "a"  # type: ignore[index]
    with pytest.raises(TypeError):
        made.nodes["a"].ends["x"] = "a"  # type: ignore[index]


def test_later_changes_of_the_builder_are_not_seen() -> None:
    graph = builder()
    made = graph.compile()
    before = made.signature()
    graph.add_node("c", lambda _: None).add_edge("b", "c")
    graph.channels["late"] = LastValue(int)
    graph.schema_info(State).keys.append("late")
    assert made.signature() == before
    assert made.fingerprint == program().fingerprint


def test_another_program_is_made_with_replace() -> None:
    made = program()
    fingerprint = made.fingerprint
    newer = replace(made, version="2")
    assert newer.fingerprint != fingerprint == made.fingerprint
    assert newer.nodes == made.nodes and newer.joins == made.joins


def test_keys_can_be_copied_as_plain_lists() -> None:
    keys = program().stream_keys
    for copied in (copy.copy(keys), copy.deepcopy(keys), list(keys)):
        assert type(copied) is list and copied == ["n", "other"]


def test_a_program_outlives_its_builder_and_goes_with_its_last_user() -> None:
    graph = builder()
    made = graph.compile()
    seen, built = weakref.ref(made), weakref.ref(graph)
    assert sketch_program(made) is sketch_program(made)
    assert made.fingerprint
    del graph
    gc.collect()
    assert built() is None
    del made
    gc.collect()
    assert seen() is None


def test_keys_cross_a_wire_as_a_plain_list() -> None:
    codec = Codec()
    read = codec.decode(codec.encode([program().stream_keys, {"keys": program().nodes["a"].input_keys}]))
    assert read == [["n", "other"], {"keys": ["n", "other"]}]
    assert type(read[0]) is list
