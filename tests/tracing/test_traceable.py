"""LangSmith in a node's code, as in LangGraph: it knows the node's run, below which is what `@traceable` wraps."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import get_current_run_tree, traceable
from tests.differential.engines import DRUMLINE, LANGGRAPH, Engine
from tests.tracing.conftest import LangSmith

from drumline.testing import local_cluster


class State(TypedDict, total=False):
    a: str
    b: str


@traceable
def helper(name: str) -> str:
    return name


@traceable
async def async_helper(name: str) -> str:
    return name


def around() -> str:
    """The name of the run that LangSmith takes for the one around this code."""
    tree = get_current_run_tree()
    return "none" if tree is None else tree.name


def build(e: Engine, how: str) -> Any:
    def node(name: str) -> Any:
        def run(_state: State) -> State:
            return {name: f"{helper(name)} in {around()}"}  # type: ignore[misc]

        async def arun(_state: State) -> State:
            return {name: f"{await async_helper(name)} in {around()}"}  # type: ignore[misc]

        return arun if how == "async" else run

    builder = e.StateGraph(State).add_node("a", node("a")).add_node("b", node("b"))
    return builder.add_edge(e.START, "a").add_edge(e.START, "b").compile(name="graph")


def traced(service: LangSmith, graph: Any, how: str) -> list[tuple[str, ...]]:
    before = get_current_run_tree()
    given: dict[str, str] = {}
    state = asyncio.run(graph.ainvoke(given)) if how == "async" else graph.invoke(given)
    assert state == {"a": "a in a", "b": "b in b"}
    assert get_current_run_tree() is before
    wait_for_all_tracers()
    found = service.names()
    service.runs.clear()
    return found


@pytest.mark.parametrize("how", ["sync", "async"])
def test_its_run_is_below_that_of_the_node(langsmith: LangSmith, how: str) -> None:
    expected = traced(langsmith, build(LANGGRAPH, how), how)
    assert traced(langsmith, build(DRUMLINE, how), how) == expected
    with local_cluster({"graph": build(DRUMLINE, how)}) as cluster:
        assert traced(langsmith, cluster.graph("graph"), how) == expected
    assert ("graph", "b", "helper" if how == "sync" else "async_helper") in expected
