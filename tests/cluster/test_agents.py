"""Agents on a cluster: the tool calls of one turn run on different workers; streams are LangGraph's up to RACE."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.processes import running
from tests.differential.compare import difference
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE, record
from tests.prebuilt import agents

from drumline import Cluster
from drumline_transport.local_server import LocalServer

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore:create_react_agent has been moved")]

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


@pytest.fixture(scope="module")
def cluster(server: LocalServer) -> Iterator[Cluster]:
    """One coordinator and three workers that run one task at a time each."""
    with running(server.url, "tests.prebuilt.agents:GRAPHS", "--concurrency", "1") as (_, client):
        yield client


def meeting(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": json.dumps(calls), "id": "h"}]}


@both_ways
def test_two_calls_of_a_turn_run_in_two_processes(cluster: Cluster, tmp_path: Path, use_async: bool) -> None:
    """Each call waits for the other, and a worker here runs one task at a time: one process could never end it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    args = {"pipe": str(pipe)}
    graph, given = cluster.graph("meeting"), meeting(("meet", args), ("meet_back", args))
    state = asyncio.run(graph.ainvoke(given)) if use_async else graph.invoke(given)
    first, second = (message.text for message in state["messages"] if message.type == "tool")
    pid, _, met = second.partition(" met ")
    assert met == first
    assert pid != first
    assert os.getpid() not in (int(pid), int(first))


@both_ways
def test_custom_data_of_an_async_tool(cluster: Cluster, use_async: bool) -> None:
    graph, given = cluster.graph("meeting"), meeting(("items", {"place": "office"}))
    expected = [{"custom_tool_data": item} for item in ("books", "pencils", "pictures")]

    async def read() -> list[Any]:
        return [item async for item in graph.astream(given, stream_mode="custom")]

    assert (asyncio.run(read()) if use_async else list(graph.stream(given, stream_mode="custom"))) == expected


@both_ways
@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("name", agents.NAMES)
def test_streams_are_those_of_langgraph(cluster: Cluster, name: str, use_async: bool) -> None:
    reference = record(agents.build(LANGGRAPH, name), agents.INPUT, use_async=True)
    remote = agents.build(DRUMLINE, name).on(cluster)
    found = difference(reference, record(remote, agents.INPUT, use_async=use_async))
    assert found is None, found
    assert (reference.error is None) == (name != "agent_fails")
