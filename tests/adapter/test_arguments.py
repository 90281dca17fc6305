"""An agent on a cluster: what its router sends to the tools names the state, and does not hold it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent as their_agent
from tests.prebuilt.models import Scripted

from drumline.langgraph import adapt
from drumline.prebuilt import create_react_agent
from drumline.testing import local_cluster

TURNS = 24
PAGE_CHARS = 1500


class Caller(Scripted):
    """Calls the tool twice a turn, for `TURNS` turns. Its messages have the same ids wherever it runs."""

    turns: list[Any] = [*([("look_up", {"page": turn})] * 2 for turn in range(TURNS)), "done"]  # noqa: RUF012

    def _turn(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        number = sum(isinstance(message, AIMessage) for message in messages)
        return super()._turn(messages, kwargs).model_copy(update={"id": f"turn {number}"})


@tool
def look_up(page: int) -> str:
    """What stands on a page."""
    return f"{page:06d}".ljust(PAGE_CHARS, ".")


def theirs() -> Any:
    return adapt(their_agent(Caller(), [look_up], name="agent"))


def their_middleware_agent() -> Any:
    agents = pytest.importorskip("langchain.agents")
    return adapt(agents.create_agent(Caller(), [look_up], name="agent"))


def ours() -> Any:
    return create_react_agent(Caller(), [look_up], name="agent")


@pytest.mark.parametrize("build", [ours, theirs, their_middleware_agent])
def test_what_an_agent_stores_follows_what_it_says(build: Callable[[], Any]) -> None:
    graph = build()
    given = {"messages": [("user", "go")]}
    config = {"recursion_limit": 200}
    alone = graph.invoke(given, config)["messages"]
    with local_cluster({"agent": graph}) as cluster:
        items = list(cluster.graph("agent", graph=graph).stream(given, config, stream_mode=["values", "tasks"]))
        parts = cluster._server.partitions
        stored = sum(len(row[-1]) for part in parts for log in part.logs.values() for _, row in log.after((0, 0)))
        stored += sum(len(data) for part in parts for data in part.blobs.values())
    [*_, (_, last)] = [item for item in items if item[0] == "values"]
    assert [(m.type, m.text, m.id) for m in last["messages"] if m.type != "tool"] == [
        (m.type, m.text, m.id) if m.type != "human" else (m.type, m.text, last["messages"][0].id)
        for m in alone
        if m.type != "tool"
    ]
    said = sum(len(m.text) for m in last["messages"])
    assert said > 2 * TURNS * PAGE_CHARS
    assert stored < 4 * said  # with the state in each argument it were some twenty times as much
    # and whoever looks sees the state that a tool's task was given, as it was
    starts = [task["input"] for mode, task in items if mode == "tasks" and "input" in task and task["name"] == "tools"]
    assert len(starts) == 2 * TURNS
    for number, start in enumerate(starts):
        state = start["state"] if isinstance(start, dict) else None
        if state is not None:
            messages = state["messages"] if isinstance(state, dict) else state
            assert [m.type for m in messages] == ["human", *(["ai", "tool", "tool"] * (number // 2)), "ai"]
