"""LangSmith, told by the environment: one run is one trace, embedded and on a cluster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.tracers.langchain import wait_for_all_tracers
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.tracing import graphs
from tests.tracing.conftest import LangSmith
from tests.tracing.recorder import Recorder

from drumline import Cluster
from drumline_protocol.trace_ids import root_trace_id


def is_one_trace(service: LangSmith, root: str | None = None) -> None:
    """Every run was posted once, belongs to the root's trace, and stands below its parent in the order."""
    wait_for_all_tracers()
    roots = [id_ for id_, run in service.runs.items() if not run.get("parent_run_id")]
    assert len(roots) == 1, service.names()
    assert root in (None, roots[0])
    assert set(service.posted.values()) == {1}
    for id_, run in service.runs.items():
        assert run["trace_id"] == roots[0]
        assert run["dotted_order"].endswith(id_)
        if id_ != roots[0]:
            above = [part[-36:] for part in run["dotted_order"].split(".")]
            assert above[-2] == run["parent_run_id"]
            assert run["parent_run_id"] in service.runs
        assert run.get("end_time"), run["name"]


def expected(shape: str, how: str = "sync") -> list[tuple[str, ...]]:
    recorder = Recorder()
    graph = getattr(graphs, shape)(LANGGRAPH, how)
    config: Any = {"callbacks": [recorder]}
    if how == "async":
        asyncio.run(graph.ainvoke({"xs": [0]}, config))
    else:
        graph.invoke({"xs": [0]}, config)
    names = {"model": "GenericFakeChatModel"}
    return sorted(tuple(names.get(part, part) for part in path) for path in recorder.names())


@pytest.mark.parametrize("how", ["sync", "async"])
def test_embedded(langsmith: LangSmith, how: str) -> None:
    graph = graphs.whole(DRUMLINE, how)
    if how == "async":
        asyncio.run(graph.ainvoke({"xs": [0]}))
    else:
        graph.invoke({"xs": [0]})
    is_one_trace(langsmith)
    found = langsmith.names()
    langsmith.runs.clear()
    assert found == expected("whole", how)


def test_on_a_cluster_client_and_workers_tell_one_trace(langsmith: LangSmith, cluster: Cluster) -> None:
    stream = cluster.graph("whole").stream({"xs": [0]})
    list(stream)
    is_one_trace(langsmith, str(root_trace_id(stream.run_id)))
    names, found = {path[-1] for path in expected("whole")}, langsmith.names()
    assert names <= {part for path in found for part in path} | {"LangGraph"}
    assert ("whole", "models", "GenericFakeChatModel") in found
    assert ("whole", "sub", "LangGraph", "in2", "adds") in found


def test_on_a_cluster_for_an_async_caller(langsmith: LangSmith, cluster: Cluster) -> None:
    asyncio.run(cluster.graph("async_whole").ainvoke({"xs": [0]}))
    is_one_trace(langsmith)
    assert ("async_whole", "sub", "LangGraph", "in2", "GenericFakeChatModel") in langsmith.names()


def test_a_cluster_run_inside_of_a_trace(langsmith: LangSmith, cluster: Cluster) -> None:
    from langchain_core.runnables import RunnableLambda

    chain = RunnableLambda(lambda n: {"xs": [n]}, name="before") | cluster.graph("calls")
    chain.invoke(0, {"run_name": "chain"})
    is_one_trace(langsmith)
    assert ("chain", "calls", "deep", "between", "LangGraph", "in2", "GenericFakeChatModel") in langsmith.names()
