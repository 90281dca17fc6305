"""LangGraph's Python SDK against both gateways: every method of `threads`, but the stream of L3."""

from __future__ import annotations

import itertools
import threading
import uuid
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

INPUT = {"said": ["x"]}


@pytest.fixture
def mark() -> dict[str, str]:
    """Metadata that only the threads of this test have."""
    return {"test": str(uuid.uuid4())}


def test_a_thread_is_made_changed_and_deleted(client: Any, mark: Any) -> None:
    made = client.threads.create(thread_id="by-name" + mark["test"], metadata={**mark, "n": 1})
    assert made["status"] == "idle" and made["values"] is None and made["metadata"] == {**mark, "n": 1}
    thread = made["thread_id"]
    assert client.threads.get(thread) == made
    with pytest.raises(ConflictError):
        client.threads.create(thread_id=thread)
    assert client.threads.create(thread_id=thread, if_exists="do_nothing", metadata={"n": 5}) == made
    changed = client.threads.update(thread, metadata={"n": 2, "list": [1, {"a": None}]})
    assert changed["metadata"] == {**mark, "n": 2, "list": [1, {"a": None}]}
    assert client.threads.update(thread, metadata={"n": 3}, return_minimal=True) is None
    assert client.threads.get(thread)["metadata"]["n"] == 3
    client.threads.delete(thread)
    with pytest.raises(NotFoundError):
        client.threads.get(thread)
    with pytest.raises(NotFoundError):
        client.threads.update(thread, metadata={})


def test_ids_that_no_path_could_name_are_refused(client: Any, url: str) -> None:
    for bad in ("a/b", "x" * 300, "line\nbreak", "\u202e", ""):
        answer = httpx.post(f"{url}/threads", json={"thread_id": bad})
        assert answer.status_code == (422 if bad else 200), bad
    for good in ("with blank", "ünï-codé", "..a", "__proto__"):
        assert client.threads.create(thread_id=good, if_exists="do_nothing")["thread_id"] == good
        client.runs.wait(good, "speak", input=INPUT)
        assert client.threads.get_state(good)["values"]["said"]
        client.threads.delete(good)


def test_threads_are_found(client: Any, mark: Any) -> None:
    threads = [client.threads.create(metadata={**mark, "n": n})["thread_id"] for n in range(4)]
    client.runs.wait(threads[1], "ask", input=INPUT)
    client.runs.wait(threads[2], "fail", input=INPUT, raise_error=False)
    client.runs.wait(threads[0], "speak", input=INPUT)

    def ids(**given: Any) -> list[str]:
        return [row["thread_id"] for row in client.threads.search(metadata=mark, **given)]

    assert ids() == [threads[0], threads[2], threads[1], threads[3]]
    assert ids(status="interrupted") == [threads[1]] and ids(status="error") == [threads[2]]
    assert ids(status="busy") == [] and sorted(ids(status="idle")) == sorted([threads[0], threads[3]])
    assert ids(sort_by="created_at", sort_order="asc") == threads
    assert ids(limit=2, offset=1) == [threads[2], threads[1]]
    assert ids(ids=[threads[3], "nobody"]) == [threads[3]]
    assert ids(values={"said": ["x", "heard 1"]}) == [threads[0], threads[1]]
    assert client.threads.count(metadata=mark) == 4 and client.threads.count(metadata=mark, status="idle") == 2
    assert client.threads.search(metadata={**mark, "graph_id": "ask"})[0]["thread_id"] == threads[1]
    [narrow] = client.threads.search(metadata={**mark, "n": 3}, select=["thread_id", "status"])
    assert narrow == {"thread_id": threads[3], "status": "idle"}
    asked = client.threads.search(metadata={**mark, "n": 1})[0]
    assert asked["values"] == {"said": ["x", "heard 1"]} and asked["interrupts"]


def test_pages_say_where_the_next_one_is(client: Any, url: str, mark: Any) -> None:
    for n in range(3):
        client.threads.create(metadata={**mark, "n": n})
    first = httpx.post(f"{url}/threads/search", json={"metadata": mark, "limit": 2})
    assert first.headers["X-Pagination-Next"] == "2" and len(first.json()) == 2
    rest = httpx.post(f"{url}/threads/search", json={"metadata": mark, "limit": 2, "offset": 2})
    assert "X-Pagination-Next" not in rest.headers and len(rest.json()) == 1


def test_states_and_their_history_link_up(client: Any) -> None:
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "nested", input=INPUT)
    state = client.threads.get_state(thread)
    assert state["values"] == {"said": ["x", "x", "heard 1", "heard 3"]} and state["next"] == []
    history = client.threads.get_history(thread, limit=20)
    assert history[0] == state
    for newer, older in itertools.pairwise(history):
        assert newer["parent_checkpoint"] == older["checkpoint"]
    assert history[-1]["parent_checkpoint"] is None
    assert client.threads.get_history(thread, limit=1, before=history[0]["checkpoint"]) == [history[1]]
    assert client.threads.get_history(thread, before=history[0]["checkpoint"]["checkpoint_id"])[0] == history[1]
    assert client.threads.get_history(thread, metadata={"source": "input"})[0]["metadata"]["source"] == "input"
    old = history[1]["checkpoint"]
    assert client.threads.get_state(thread, checkpoint=old)["values"] == history[1]["values"]
    assert client.threads.get_state(thread, checkpoint_id=old["checkpoint_id"])["checkpoint"] == old


def test_the_state_of_a_graph_within_is_shown(client: Any) -> None:
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "nested", input=INPUT, interrupt_before=["after"])
    [task] = client.threads.get_state(thread, subgraphs=True)["tasks"]
    assert task["name"] == "after" and task["state"] is None
    client.threads.delete(thread)
    client.threads.create(thread_id=thread)
    client.runs.wait(thread, "deep", input=INPUT)
    [task] = client.threads.get_state(thread)["tasks"]
    assert task["checkpoint"]["checkpoint_ns"].startswith("asking:") and task["state"] is None
    [task] = client.threads.get_state(thread, subgraphs=True)["tasks"]
    assert task["state"]["values"]["said"] == ["x"] and task["state"]["next"] == ["ask"]
    assert task["state"]["checkpoint"]["checkpoint_ns"].startswith("asking:")
    within = client.threads.get_state(thread, checkpoint=task["state"]["checkpoint"])
    assert within["next"] == ["ask"]


def test_the_state_is_changed_from_outside(client: Any) -> None:
    thread = client.threads.create()["thread_id"]
    client.runs.wait(thread, "ask", input=INPUT)
    made = client.threads.update_state(thread, {"said": ["edited"]}, as_node="speak")
    state = client.threads.get_state(thread)
    assert state["values"]["said"] == ["x", "heard 1", "edited"] and state["next"] == ["ask"]
    assert made["checkpoint"]["checkpoint_id"] == state["checkpoint"]["checkpoint_id"]
    first = client.threads.get_history(thread)[-1]
    client.threads.update_state(thread, {"topic": "fork"}, as_node="speak", checkpoint=first["checkpoint"])
    assert client.threads.get_state(thread)["values"]["topic"] == "fork"
    with pytest.raises(UnprocessableEntityError):
        client.threads.update_state(thread, {"said": []}, as_node="nobody")


def test_a_thread_without_runs_has_an_empty_state(client: Any) -> None:
    thread = client.threads.create(graph_id="ask")["thread_id"]
    state = client.threads.get_state(thread)
    assert (state["values"], state["next"], state["tasks"], state["interrupts"]) == ({}, [], [], [])
    assert client.threads.get_history(thread) == []
    client.threads.update_state(thread, {"topic": "first"})
    assert client.threads.get_state(thread)["values"]["topic"] == "first"
    nobody = client.threads.create()["thread_id"]
    with pytest.raises(ConflictError, match="graph"):
        client.threads.update_state(nobody, {"topic": "first"})
    with pytest.raises(NotFoundError):
        client.threads.get_state("nobody")
    with pytest.raises(NotFoundError):
        client.threads.get_history("nobody")


def test_a_busy_thread_is_not_changed_from_outside(client: Any, gate: threading.Event) -> None:
    thread = client.threads.create()["thread_id"]
    run = client.runs.create(thread, "wait", input={**INPUT, "topic": "wait"})
    with pytest.raises(ConflictError):
        client.threads.update_state(thread, {"said": []}, as_node="wait")
    assert client.threads.update(thread, metadata={"title": "while it runs"})["status"] == "busy"
    gate.set()
    client.runs.join(thread, run["run_id"])
    assert client.threads.get(thread)["metadata"]["title"] == "while it runs"


def test_a_thread_is_copied(client: Any, url: str, mark: Any) -> None:
    thread = client.threads.create(metadata=mark)["thread_id"]
    client.runs.wait(thread, "ask", input=INPUT)
    copied = httpx.post(f"{url}/threads/{thread}/copy").json()
    client.threads.copy(thread)
    assert copied["thread_id"] != thread and copied["metadata"]["test"] == mark["test"]
    assert copied["values"] == client.threads.get(thread)["values"]
    assert client.threads.count(metadata=mark) == 3
    output = client.runs.wait(copied["thread_id"], "ask", command={"resume": "copy"})
    assert output["said"][-1] == "copy"
    assert client.threads.get(thread)["status"] == "interrupted"


def test_threads_are_pruned(client: Any) -> None:
    threads = [client.threads.create()["thread_id"] for _ in range(2)]
    for thread in threads:
        client.runs.wait(thread, "speak", input=INPUT)
    client.threads.prune([threads[0], "nobody"], strategy="keep_latest")
    assert len(client.threads.get_history(threads[0])) == 1
    assert client.threads.get_state(threads[0])["values"] == {"said": ["x", "heard 1"]}
    assert client.threads.prune([threads[1]]) == {"pruned_count": 1}
    with pytest.raises(NotFoundError):
        client.threads.get(threads[1])
    client.threads.delete(threads[0])


def test_a_deleted_thread_ends_its_runs(client: Any, gate: threading.Event) -> None:
    thread = client.threads.create()["thread_id"]
    runs = [client.runs.create(thread, "wait", input={**INPUT, "topic": "wait"})["run_id"] for _ in range(2)]
    client.threads.delete(thread)
    gate.set()
    with pytest.raises(NotFoundError):
        client.runs.get(thread, runs[0])
    client.threads.create(thread_id=thread)
    assert client.runs.list(thread) == [] and client.threads.get_state(thread)["values"] == {}
