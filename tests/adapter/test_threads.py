"""LangGraph's graphs on threads: what drumline streams of them, run after run, is what LangGraph streams itself."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE, newest_oracle
from tests.threads.test_traces import CASES, Case, settled
from tests.threads.traces import atrace, trace

from drumline.checkpoint.memory import InMemorySaver

pytestmark = newest_oracle

Make = Callable[[Case], tuple[Any, list[Any]]]


def adapted(case: Case) -> tuple[Any, list[Any]]:
    graph, inputs = case(LANGGRAPH)
    return ADAPTED.runnable(graph), inputs


def strict(case: Case) -> tuple[Any, list[Any]]:
    graph, inputs = case(LANGGRAPH)
    return ADAPTED_STRICT.runnable(graph), inputs


def on_our_saver(case: Case) -> tuple[Any, list[Any]]:
    graph, inputs = case(LANGGRAPH)
    graph.checkpointer = InMemorySaver()
    return ADAPTED.runnable(graph), inputs


@pytest.mark.parametrize("make", [adapted, strict, on_our_saver], ids=lambda make: make.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_are_equal(case: Case, make: Make) -> None:
    theirs = trace(*case(LANGGRAPH), subgraphs=True)
    assert settled(case, trace(*make(case), subgraphs=True)) == settled(case, theirs)
    assert len(theirs) > 3


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("make", [adapted, on_our_saver], ids=lambda make: make.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_async_streams_are_equal(case: Case, make: Make) -> None:
    theirs = asyncio.run(atrace(*case(LANGGRAPH), subgraphs=True))
    assert settled(case, asyncio.run(atrace(*make(case), subgraphs=True))) == settled(case, theirs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_without_subgraphs_are_equal(case: Case) -> None:
    assert settled(case, trace(*adapted(case))) == settled(case, trace(*case(LANGGRAPH)))
