"""Differential: plan and apply against LangGraph itself, on random graphs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.errors import GraphRecursionError as LangGraphRecursionError
from langgraph.graph import StateGraph as LangStateGraph
from langgraph.types import Command as LangCommand
from langgraph.types import Send as LangSend
from tests.graph import random_graphs
from tests.graph.driver import run

from drumline_graph.builder import StateGraph
from drumline_graph.types import Command, Send

LIMIT = 12


def langgraph_run(graph: Any, value: Any) -> tuple[list[Any], list[Any], bool]:
    values, updates = [], []
    try:
        for mode, item in graph.stream(value, {"recursion_limit": LIMIT}, stream_mode=["values", "updates"]):
            (values if mode == "values" else updates).append(item)
    except LangGraphRecursionError:
        return values, updates, True
    return values, updates, False


def check(seed: int) -> None:
    shape = random_graphs.draw_shape(seed)
    ours = random_graphs.build(shape, StateGraph(random_graphs.State), Command, Send).compile()
    theirs = random_graphs.build(shape, LangStateGraph(random_graphs.State), LangCommand, LangSend).compile()
    value = {"l": ["i"], "n": 0}
    seen = run(ours, value, limit=LIMIT)
    values, updates, recursion = langgraph_run(theirs, value)
    assert seen.values == values
    assert seen.recursion == recursion
    flat = [update for step in seen.updates for update in step]
    assert sorted(map(repr, flat)) == sorted(map(repr, updates))


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_give_the_values_of_langgraph(seed: int) -> None:
    check(seed)


@pytest.mark.full
@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=1000, max_value=1_000_000))
def test_many_random_graphs_give_the_values_of_langgraph(seed: int) -> None:
    check(seed)
