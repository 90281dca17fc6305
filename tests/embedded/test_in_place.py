"""Reducers that change what they are given: the streams are LangGraph's, and what was seen before stays as it was."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph import graph as theirs
from tests.graph.in_place import CASES, Reducer, extend, nested
from typing_extensions import TypedDict

import drumline.graph as ours

Case = tuple[Any, Reducer, Any]
TYPED = {name: case for name, case in CASES.items() if isinstance(case[0], type)}
DATA = {"suppress_health_check": list(HealthCheck), "deadline": None, "max_examples": 4}


def built(library: Any, case: Case, written: list[Any], **options: Any) -> Any:
    """Two nodes side by side, then one that waits for both; each writes a copy of its value."""
    key: Any = Annotated[case[0], case[1]]  # type: ignore[valid-type]
    state: Any = TypedDict("state", {"k": key, "n": int})  # type: ignore[misc]
    graph = library.StateGraph(state)
    for name, value in zip("abc", written, strict=True):
        graph.add_node(name, lambda _, value=value: {"k": copy.deepcopy(value)})
    graph.add_edge(library.START, "a").add_edge(library.START, "b").add_edge(["a", "b"], "c")
    return graph.compile(**options)


def seen(graph: Any, value: Any) -> list[Any]:
    """Every state, as it was when it came."""
    return [copy.deepcopy(item) for item in graph.stream({"k": value, "n": 1}, stream_mode="values")]


@pytest.mark.parametrize("strict", [False, True], ids=["by reference", "through the codec"])
@pytest.mark.parametrize("case", TYPED.values(), ids=TYPED.keys())
@given(data=st.data())
@settings(**DATA)  # type: ignore[arg-type]
def test_streams_are_langgraphs(case: Case, strict: bool, data: st.DataObject) -> None:
    first, *written = (data.draw(case[2]) for _ in range(4))
    reference = seen(built(theirs, case, written), copy.deepcopy(first))
    assert seen(built(ours, case, written, strict_wire=strict), first) == reference


@pytest.mark.parametrize("case", TYPED.values(), ids=TYPED.keys())
@given(data=st.data())
@settings(**DATA)  # type: ignore[arg-type]
def test_items_stay_what_they_were_when_they_were_yielded(case: Case, data: st.DataObject) -> None:
    first, *written = (data.draw(case[2]) for _ in range(4))
    items: list[Any] = []
    when: list[Any] = []
    for item in built(ours, case, written).stream({"k": first, "n": 1}, stream_mode=["values", "updates"]):
        items.append(item)
        when.append(copy.deepcopy(item))
    assert items == when
    shown = {name: update["k"] for mode, item in items if mode == "updates" for name, update in item.items()}
    assert shown == dict(zip("abc", written, strict=True)), "an update is what the node returned"


@pytest.mark.parametrize("strict", [False, True], ids=["by reference", "through the codec"])
def test_a_reducer_that_fails_leaves_what_was_seen_as_it_was(strict: bool) -> None:
    class Broke(Exception):
        pass

    def breaks(left: Any, right: Any) -> Any:
        nested(left, right)
        if right.get("bad"):
            raise Broke
        return left

    graph = built(ours, (dict, breaks, None), [{"a": [1]}, {"a": [2]}, {"a": [3], "bad": [4]}], strict_wire=strict)
    items: list[Any] = []
    with pytest.raises(Broke):
        items.extend(graph.stream({"k": {"a": [0]}, "n": 1}, stream_mode="values"))
    assert items == [{"k": {"a": [0]}, "n": 1}, {"k": {"a": [0, 1, 2]}, "n": 1}]


def test_the_input_and_what_nodes_keep_is_not_changed() -> None:
    kept = [1]

    class State(TypedDict):
        k: Annotated[list[int], extend]

    graph = ours.StateGraph(State).add_node("n", lambda _: {"k": kept}).add_node("m", lambda _: {"k": [2]})
    given_list = [0]
    compiled = graph.add_edge(ours.START, "n").add_edge("n", "m").compile()
    for _ in range(2):
        assert compiled.invoke({"k": given_list}) == {"k": [0, 1, 2]}
    assert given_list == [0] and kept == [1]
