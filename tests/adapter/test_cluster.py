"""LangGraph's compiled graphs, unmodified, on a cluster of three workers: each node a task, one stream, LangGraph's.

`DRUMLINE_FULL=1` (make test-full) runs 500 random graphs here, else 60 are run.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph.errors import GraphRecursionError
from tests.adapter import served
from tests.adapter.inputs import ASYNC_ONLY, MODES, PLAIN, differs, meeting
from tests.cluster.conftest import pids_in
from tests.cluster.processes import running
from tests.cluster.random_runs import differences
from tests.differential import random_graphs
from tests.differential.compare import difference
from tests.differential.drift import IS_ELDER
from tests.differential.engines import LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE, record
from tests.servers import local_server

from drumline import Cluster
from drumline.langgraph import adapt
from drumline.types import StreamMode

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:create_react_agent has been moved")]

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
SEEDS = 500 if os.environ.get("DRUMLINE_FULL") else 60
BATCH = 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One coordinator and three workers that hold nothing but graphs of LangGraph, and run one task at a time each."""
    with local_server() as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DRUMLINE_TEST_SEEDS", str(SEEDS))
        with running(server.url, "tests.adapter.served:GRAPHS", "--concurrency", "1", prefix="adapter") as (_, client):
            yield client


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@both_ways
@pytest.mark.parametrize("name", ["agent", "react"])
def test_two_calls_of_a_turn_run_in_two_processes(cluster: Cluster, name: str, use_async: bool, tmp_path: Path) -> None:
    """Tokens, custom events of tools and updates come in one stream that is LangGraph's; the calls ran side by side.

    Two of the tools wait for each other, and a worker here runs one task at a time: one process could never end it.
    """
    given, marks = meeting(tmp_path)
    graph = served.GRAPHS[name]
    reference = record(graph, given, MODES, use_async=True)
    here = pids_in(marks)
    assert set(here) == {os.getpid()}
    ours = record(adapt(graph).on(cluster, name), given, MODES, use_async=use_async)
    found = difference(reference, ours)
    assert found is None, found
    there = pids_in(marks)[len(here) :]
    assert len(set(there)) == 2 and os.getpid() not in there
    tokens = [message for message, _ in ours.payloads("messages") if isinstance(message, AIMessageChunk)]
    assert "".join(token.content for token in tokens if token.content).startswith("expert on cats")  # type: ignore[misc]


@both_ways
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_streams_are_those_of_langgraph(cluster: Cluster, name: str, subgraphs: bool, use_async: bool) -> None:
    asynchronous = use_async or name in ASYNC_ONLY
    if asynchronous and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async runs are no oracle on this Python")
    if name == "kept" and IS_ELDER:
        pytest.skip("delta channels of the LangGraph that is installed name no messages")
    graph = served.GRAPHS[name]
    remote = adapt(graph).on(cluster, name)
    found = differs(graph, remote, PLAIN[name], use_async=use_async, reference_async=asynchronous, subgraphs=subgraphs)
    assert found is None, found


@both_ways
def test_a_client_without_the_graph(cluster: Cluster, use_async: bool) -> None:
    """drumline's client needs neither the graph nor LangGraph."""
    remote = cluster.graph("nested")

    async def read() -> list[Any]:
        return [item async for item in remote.astream(PLAIN["nested"], stream_mode="updates")]

    items = asyncio.run(read()) if use_async else list(remote.stream(PLAIN["nested"], stream_mode="updates"))
    assert [name for item in items for name in item].count("sent") == 12
    assert cluster.graph("flow").invoke(PLAIN["flow"]) == 14


def test_a_run_may_be_joined_later(cluster: Cluster) -> None:
    """Also a functional graph, whose stream LangGraph made inside of one worker."""
    for name in ("nested", "flow", "asks"):
        run_id = cluster.graph(name).start(PLAIN[name])
        found = cluster.result(run_id)
        if name == "flow":
            assert found == 14
        elif name == "asks":
            assert [question.value for question in found["__interrupt__"]] == [{"why": 1}]
        expected = {"nested": "done", "flow": "done", "asks": "paused"}[name]
        assert cluster.status(run_id)["status"] == expected
        modes: list[StreamMode] = ["values", "updates"]
        joined = list(cluster.join(run_id, stream_mode=modes, subgraphs=True))
        assert joined == list(cluster.join(run_id, stream_mode=modes, subgraphs=True))
        assert {mode for _, mode, _ in joined} == set(modes)


def test_errors_are_caught_by_langgraphs_classes(cluster: Cluster) -> None:
    remote = adapt(served.GRAPHS["nested"]).on(cluster, "nested")
    with pytest.raises(GraphRecursionError, match="Recursion limit of 1"):
        remote.invoke(PLAIN["nested"], {"recursion_limit": 1})


def test_a_worker_dies_in_a_tool(cluster: Cluster, tmp_path: Path) -> None:
    """The tool call is done again by another worker; the rest of the agent's run does not notice."""
    marks = tmp_path / "pids"
    given = {"messages": [{"role": "user", "content": json.dumps([("die_once", {"marks": str(marks)})]), "id": "h"}]}
    state = cluster.graph("agent").invoke(given)
    died, survived = pids_in(marks)
    assert died != survived
    assert [message.text for message in state["messages"] if message.type == "tool"] == [f"{survived} survives"]


def test_structured_responses(cluster: Cluster) -> None:
    """Who holds the graph gets the agent's class; who does not gets its fields."""
    known = adapt(served.GRAPHS["judge"]).on(cluster, "judge").invoke(PLAIN["judge"])
    assert known["structured_response"] == served.Verdict(place="sf", degrees=7)
    unknown = cluster.graph("judge").invoke(PLAIN["judge"])
    assert unknown["structured_response"].fields["place"] == "sf"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_random_graphs(cluster: Cluster, first: int) -> None:
    found = differences(
        range(first, min(first + BATCH, SEEDS)),
        lambda seed, spec: adapt(random_graphs.build(LANGGRAPH, spec)).on(cluster, f"l{seed}"),
    )
    assert not found, found[0]
