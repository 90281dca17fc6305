"""What an entrypoint and its tasks stream on a cluster is what LangGraph's do: each call may run on any worker."""

import asyncio
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE
from tests.functional.test_messages_functional import built, shown
from tests.functional.test_policies_functional import CASES as POLICIES
from tests.functional.test_policies_functional import (
    ORACLE_RUNS_MAX,
    a_task_is_limited_in_time,
    an_entrypoint_is_limited_in_time,
    timeless,
)
from tests.functional.test_rules_functional import (
    ASYNC_CASES,
    CASES,
    Case,
    a_question_of_a_task,
    final_saves_something_else,
    gathered,
    one_call_after_the_other,
)
from tests.threads.traces import atrace, plain, trace

from drumline.testing import local_cluster


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_are_equal(case: Case) -> None:
    graph, inputs = case(DRUMLINE)
    theirs = trace(*case(LANGGRAPH), subgraphs=True)
    with local_cluster({"entry": graph}) as cluster:
        assert trace(cluster.graph("entry"), inputs, subgraphs=True) == theirs


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("case", ASYNC_CASES, ids=lambda case: case.__name__)
def test_async_streams_are_equal(case: Case) -> None:
    graph, inputs = case(DRUMLINE)
    theirs = asyncio.run(atrace(*case(LANGGRAPH), subgraphs=True))
    with local_cluster({"entry": graph}) as cluster:
        assert asyncio.run(atrace(cluster.graph("entry"), inputs, subgraphs=True)) == theirs


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
def test_gathered_tasks_are_equal_but_for_their_order() -> None:
    graph, inputs = gathered(DRUMLINE)
    theirs = sorted(asyncio.run(atrace(*gathered(LANGGRAPH))))
    with local_cluster({"entry": graph}) as cluster:
        assert sorted(asyncio.run(atrace(cluster.graph("entry"), inputs))) == theirs


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("case", [one_call_after_the_other, a_question_of_a_task, final_saves_something_else])
def test_invoke_is_equal(case: Case, version: str) -> None:
    def results(graph: Any, inputs: list[Any]) -> list[str]:
        config = {"configurable": {"thread_id": "1"}}
        return [plain(graph.invoke(each, config, version=version)) for each in inputs]

    graph, inputs = case(DRUMLINE)
    with local_cluster({"entry": graph}) as cluster:
        assert results(cluster.graph("entry"), inputs) == results(*case(LANGGRAPH))


@pytest.mark.parametrize("case", POLICIES, ids=lambda case: case.__name__)
def test_policies_are_equal(case: Any) -> None:
    graph, inputs, log = case(DRUMLINE)
    with local_cluster({"entry": graph}) as cluster:
        ours = trace(cluster.graph("entry"), inputs, subgraphs=True), log
    for _ in range(ORACLE_RUNS_MAX):
        graph, inputs, log = case(LANGGRAPH)
        theirs = trace(graph, inputs, subgraphs=True), log
        if theirs == ours:
            return
    assert ours == theirs


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("case", [a_task_is_limited_in_time, an_entrypoint_is_limited_in_time])
def test_time_limits_are_equal(case: Any) -> None:
    graph, inputs, log = case(LANGGRAPH)
    theirs = timeless(asyncio.run(atrace(graph, inputs))), log
    graph, inputs, log = case(DRUMLINE)
    with local_cluster({"entry": graph}) as cluster:
        assert (timeless(asyncio.run(atrace(cluster.graph("entry"), inputs))), log) == theirs


@pytest.mark.parametrize("subgraphs", [False, True], ids=["flat", "subgraphs"])
def test_messages_are_equal(subgraphs: bool) -> None:
    theirs = shown(built(LANGGRAPH), subgraphs=subgraphs)
    with local_cluster({"entry": built(DRUMLINE)}) as cluster:
        assert shown(cluster.graph("entry"), subgraphs=subgraphs) == theirs
