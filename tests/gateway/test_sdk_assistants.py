"""LangGraph's Python SDK against both gateways: the assistants that graphs have by themselves."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError


def test_each_graph_has_an_assistant(client: Any) -> None:
    own = {"created_by": "system"}
    found = client.assistants.search(limit=100, metadata=own)
    names = [row["name"] for row in found]
    assert names == sorted(names) and {"ask", "fail", "nested", "speak"} <= set(names)
    for row in found:
        assert row["metadata"] == {"created_by": "system"} and row["graph_id"] == row["name"]
        assert uuid.UUID(row["assistant_id"]).version == 5
        assert client.assistants.get(row["assistant_id"]) == row == client.assistants.get(row["name"])
    [ask] = client.assistants.search(graph_id="ask", metadata=own)
    assert ask["name"] == "ask"
    assert client.assistants.search(metadata={"created_by": "me"}) == []
    assert client.assistants.search(name="EST", metadata=own, select=["name"]) == [{"name": "nested"}]
    asked = {"limit": 1, "offset": 1, "sort_by": "name", "sort_order": "desc", "metadata": own}
    page = client.assistants.search(**asked, response_format="object")
    assert page["assistants"][0]["name"] == names[-2] and page["next"] == "2"
    assert client.assistants.count(metadata=own) == len(names)
    assert client.assistants.count(graph_id="ask", metadata=own) == 1
    with pytest.raises(NotFoundError):
        client.assistants.get("nobody")


def test_the_graph_is_drawn(client: Any) -> None:
    drawn = client.assistants.get_graph("nested")
    assert {node["id"] for node in drawn["nodes"]} == {"__start__", "inner", "after", "__end__"}
    assert {(edge["source"], edge["target"]) for edge in drawn["edges"]} >= {("__start__", "inner"), ("inner", "after")}
    within = client.assistants.get_graph("nested", xray=True)
    assert "inner:speak" in {node["id"] for node in within["nodes"]}
    assert client.assistants.get_graph("nested", xray=1) == within


def test_schemas_say_what_goes_in_and_out(client: Any) -> None:
    found = client.assistants.get_schemas("speak")
    assert found["graph_id"] == "speak"
    for name in ("input_schema", "output_schema", "state_schema"):
        assert set(found[name]["properties"]) == {"said", "topic"}, name
    assert found["context_schema"] is None and found["config_schema"]["type"] == "object"
    inner = client.assistants.get_subgraphs("nested")
    assert list(inner) == ["inner"] and set(inner["inner"]["input_schema"]["properties"]) == {"said", "topic"}
    assert client.assistants.get_subgraphs("nested", namespace="inner", recurse=True) == inner
    assert client.assistants.get_subgraphs("speak") == {}


def test_a_graphs_own_assistant_is_changed_by_nobody(client: Any) -> None:
    ask = client.assistants.get("ask")
    assert client.assistants.get_versions("ask") == [ask]
    assert client.assistants.set_latest(ask["assistant_id"], 1) == ask
    for call in (
        lambda: client.assistants.set_latest("ask", 2),
        lambda: client.assistants.update("ask", name="mine"),
        lambda: client.assistants.delete(ask["assistant_id"]),
        lambda: client.assistants.create("ask", assistant_id=ask["assistant_id"]),
    ):
        with pytest.raises(ConflictError):
            call()
    assert client.assistants.get("ask") == ask


def test_what_the_server_says_of_itself(url: str) -> None:
    assert httpx.get(f"{url}/ok").json() == {"ok": True} == httpx.get(f"{url}/live").json()
    assert httpx.get(f"{url}/ok?check_db=1").status_code == 200 == httpx.get(f"{url}/ready").status_code
    info = httpx.get(f"{url}/info").json()
    assert info["name"] == "drumline" and info["without_effect"]["stream_modes"] == ["events"]
