"""LangGraph's Python SDK against both gateways: only a part of what is there, and what is told beside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import UnprocessableEntityError


@pytest.fixture
def thread(client: Any) -> str:
    made: str = client.threads.create(metadata={"deep": [{"a": 1}]})["thread_id"]
    client.runs.wait(made, "speak", input={"said": ["x", {"in": [1, 2]}], "topic": "t"})
    return made


def test_extract_gives_what_lies_at_paths(client: Any, thread: str) -> None:
    paths = {
        "last": "values.said[-1]",
        "deep": "values.said[1].in[0]",
        "all": "values.said",
        "meta": "metadata.deep[0].a",
        "how": "status",
        "none": "values.nothing.there",
        "far": "values.said[9]",
        "no list": "values.topic[0]",
    }
    [found] = client.threads.search(ids=[thread], extract=paths, select=["thread_id"])
    assert found["thread_id"] == thread and set(found) == {"thread_id", "extracted"}
    assert found["extracted"] == {
        "last": "heard 2",
        "deep": 1,
        "all": ["x", {"in": [1, 2]}, "heard 2"],
        "meta": 1,
        "how": "idle",
        "none": None,
        "far": None,
        "no list": None,
    }
    assert "extracted" not in client.threads.search(ids=[thread])[0]


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "values.",
        "values..a",
        "values[a]",
        "values[1",
        "[0]",
        "nothing.a",
        "values]",
        ".values",
        "values[0]a",
        7,
    ],
)
def test_a_path_that_is_none_is_refused(client: Any, path: Any) -> None:
    with pytest.raises(UnprocessableEntityError, match=r"extract\.a"):
        client.threads.search(extract={"a": path})


def test_too_many_paths_are_refused(client: Any) -> None:
    with pytest.raises(UnprocessableEntityError, match="10 are the most"):
        client.threads.search(extract={str(n): "values" for n in range(11)})


def test_a_path_tells_nothing_that_a_caller_does_not_see(client: Any, thread: str) -> None:
    """The gateway's own marks in metadata are no part of what is shown."""
    [found] = client.threads.search(ids=[thread], extract={"meta": "metadata"})
    assert found["extracted"]["meta"] == found["metadata"]


def test_ttl_is_told_to_who_asks(client: Any, url: str) -> None:
    thread = client.threads.create(ttl=90)["thread_id"]
    found = client.threads.get(thread, include=["ttl"])
    lasts = datetime.fromisoformat(found["ttl"].pop("expires_at")) - datetime.fromisoformat(found["updated_at"])
    assert found["ttl"] == {"strategy": "delete", "ttl_minutes": 90} and lasts.total_seconds() == 90 * 60
    assert "ttl" not in client.threads.get(thread)
    client.threads.update(thread, metadata={}, ttl={"ttl": 5, "strategy": "keep_latest"})
    told = client.threads.get(thread, include=["ttl"])["ttl"]
    assert (told["strategy"], told["ttl_minutes"]) == ("keep_latest", 5)
    other = client.threads.create()["thread_id"]
    assert client.threads.get(other, include=["ttl"])["ttl"] is None
    assert httpx.get(f"{url}/threads/{other}?include=everything").status_code == 422


def test_select_narrows_states(client: Any, thread: str) -> None:
    whole = client.threads.get_state(thread)
    assert client.threads.get_state(thread, select=["next", "values"]) == {"next": [], "values": whole["values"]}
    for place in ({"checkpoint": whole["checkpoint"]}, {"checkpoint_id": whole["checkpoint"]["checkpoint_id"]}, {}):
        found = client.threads.get_state(thread, select=["values.topic", "values.nothing"], **place)
        assert found == {"values": {"topic": "t"}}
    history = client.threads.get_history(thread, select=["values.topic", "next"])
    assert [state["next"] for state in history] == [[], ["speak"], ["__start__"]]
    assert history[0] == {"next": [], "values": {"topic": "t"}}
    empty = client.threads.create()["thread_id"]
    assert client.threads.get_state(empty, select=["next"]) == {"next": []}


def test_select_narrows_runs(client: Any, thread: str) -> None:
    [run] = client.runs.list(thread)
    assert client.runs.list(thread, select=["run_id", "status"]) == [{"run_id": run["run_id"], "status": "success"}]
