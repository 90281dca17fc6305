"""LangGraph's Python SDK against both gateways: every method of `runs`."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError

INPUT = {"said": ["x"]}


def events(stream: Any) -> list[tuple[str, Any]]:
    return [(part.event, part.data) for part in stream]


def test_a_run_is_streamed_from_its_metadata_to_its_end(client: Any, thread: str) -> None:
    told: list[Any] = []
    found = events(
        client.runs.stream(
            thread,
            "speak",
            input=INPUT,
            stream_mode=["values", "updates"],
            metadata={"why": "test"},
            on_run_created=told.append,
        )
    )
    run_id = told[0]["run_id"]
    assert told == [{"run_id": run_id, "thread_id": thread}]
    assert found == [
        ("metadata", {"run_id": run_id, "attempt": 1}),
        ("values", {"said": ["x"]}),
        ("updates", {"speak": {"said": ["heard 1"]}}),
        ("values", {"said": ["x", "heard 1"]}),
        ("end", None),
    ]
    run = client.runs.get(thread, run_id)
    assert (run["status"], run["thread_id"], run["metadata"]["why"]) == ("success", thread, "test")
    assert run["metadata"]["graph_id"] == "speak"
    assert run["assistant_id"] == client.assistants.get("speak")["assistant_id"]


def test_parts_of_graphs_within_bear_their_namespace(client: Any, thread: str) -> None:
    found = events(client.runs.stream(thread, "nested", input=INPUT, stream_mode="updates", stream_subgraphs=True))
    names = [event.partition("|") for event, _ in found]
    assert [name for name, _, _ in names] == ["metadata", "updates", "updates", "updates", "end"]
    assert names[1][2].startswith("inner:") and not names[2][2] and not names[3][2]
    assert not [event for event, _ in events(client.runs.stream(thread, "nested", input=INPUT)) if "|" in event]


def test_a_run_that_fails_says_so(client: Any, thread: str) -> None:
    found = events(client.runs.stream(thread, "fail", input=INPUT, stream_mode="updates"))
    assert found[-1] == ("error", {"error": "ValueError", "message": "this graph always fails"})
    assert client.threads.get(thread)["status"] == "error"
    with pytest.raises(Exception, match="this graph always fails"):
        client.runs.wait(thread, "fail", input=INPUT)
    answer = client.runs.wait(None, "fail", input=INPUT, raise_error=False)
    assert answer == {"__error__": {"error": "ValueError", "message": "this graph always fails"}}


def test_a_question_is_answered_by_a_command_beside_an_empty_input(client: Any, thread: str) -> None:
    found = events(
        client.runs.stream(thread, "ask", input={**INPUT, "topic": "name"}, stream_mode=["values", "updates"])
    )
    [question] = found[-2][1]["__interrupt__"]
    assert question["value"] == {"question": "name"} and question["id"]
    assert [data["__interrupt__"] for event, data in found if event == "updates" and "__interrupt__" in data]
    stands = client.threads.get(thread)
    assert stands["status"] == "interrupted" and list(stands["interrupts"].values()) == [[question]]
    state = client.threads.get_state(thread)
    assert state["next"] == ["ask"] and state["interrupts"] == [question]
    assert state["tasks"][0]["interrupts"] == [question]
    output = client.runs.wait(thread, "ask", input={}, command={"resume": "Ada"})
    assert output == {"said": ["x", "heard 1", "Ada"], "topic": "name"}
    assert client.threads.get(thread)["status"] == "idle"


def test_commands_update_and_go_somewhere(client: Any, thread: str) -> None:
    client.runs.wait(thread, "ask", input=INPUT)
    output = client.runs.wait(thread, "ask", command={"update": {"topic": "new"}, "goto": "speak"})
    assert output["topic"] == "new" and output["said"][-1] == "heard 2"
    client.runs.wait(thread, "ask", command={"goto": "__end__"})
    assert client.threads.get_state(thread)["next"] == []


def test_a_run_in_the_background_is_joined_and_listed(client: Any, thread: str, gate: threading.Event) -> None:
    waits = {**INPUT, "topic": "wait"}
    run = client.runs.create(thread, "wait", input=waits, metadata={"n": 1})
    assert run["status"] in ("pending", "running") and run["multitask_strategy"] == "enqueue"
    second = client.runs.create(thread, "wait", input=INPUT, multitask_strategy="enqueue")
    assert [each["run_id"] for each in client.runs.list(thread)] == [second["run_id"], run["run_id"]]
    assert client.runs.list(thread, limit=1, offset=1)[0]["run_id"] == run["run_id"]
    assert [each["run_id"] for each in client.runs.list(thread, status="pending")] == [second["run_id"]]
    gate.set()
    assert client.runs.join(thread, run["run_id"])["said"] == ["x", "waited"]
    assert client.runs.join(thread, second["run_id"])["said"] == ["x", "waited", "x", "waited"]
    found = events(client.runs.join_stream(thread, run["run_id"], stream_mode=["updates"]))
    assert found[1:] == [("updates", {"wait": {"said": ["waited"]}}), ("end", None)]
    client.runs.delete(thread, run["run_id"])
    with pytest.raises(NotFoundError):
        client.runs.get(thread, run["run_id"])


def test_a_busy_thread_refuses_a_run_that_asks_for_that(client: Any, thread: str, gate: threading.Event) -> None:
    client.runs.create(thread, "wait", input={**INPUT, "topic": "wait"})
    assert client.threads.get(thread)["status"] == "busy"
    with pytest.raises(ConflictError):
        client.runs.create(thread, "wait", input=INPUT, multitask_strategy="reject")
    gate.set()


def test_a_run_takes_back_the_one_in_its_way(client: Any, thread: str, gate: threading.Event) -> None:
    first = client.runs.create(thread, "wait", input={**INPUT, "topic": "wait"})
    second = client.runs.create(thread, "wait", input={"said": ["y"], "topic": "go"}, multitask_strategy="rollback")
    gate.set()  # a sync node cannot be stopped: what it returns no longer counts
    assert client.runs.join(thread, second["run_id"])["said"] == ["y", "waited"]
    assert client.runs.get(thread, first["run_id"])["status"] == "interrupted"


def test_a_run_stops_the_one_in_its_way_behind_its_superstep(client: Any, thread: str, gate: threading.Event) -> None:
    first = client.runs.create(thread, "slow", input={**INPUT, "topic": "wait"})
    second = client.runs.create(thread, "wait", input={"said": ["y"], "topic": "go"}, multitask_strategy="interrupt")
    gate.set()
    assert client.runs.join(thread, second["run_id"])["said"] == ["x", "waited", "y", "waited"]
    assert client.runs.get(thread, first["run_id"])["status"] == "interrupted"


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_a_run_is_cancelled(client: Any, thread: str, gate: threading.Event, action: Any) -> None:
    client.runs.wait(thread, "wait", input=INPUT)
    before = client.threads.get_history(thread)
    run = client.runs.create(thread, "wait", input={**INPUT, "topic": "wait"})
    client.runs.cancel(thread, run["run_id"], wait=True, action=action)
    gate.set()
    assert client.threads.get(thread)["status"] == "idle"
    if action == "rollback":
        assert client.threads.get_history(thread) == before
        with pytest.raises(NotFoundError):
            client.runs.get(thread, run["run_id"])
    else:
        assert client.runs.get(thread, run["run_id"])["status"] == "interrupted"
        client.runs.cancel(thread, run["run_id"])  # it is over: that is no mistake


def test_runs_of_a_thread_are_cancelled_together(client: Any, thread: str, gate: threading.Event) -> None:
    runs = [client.runs.create(thread, "wait", input={**INPUT, "topic": "wait"})["run_id"] for _ in range(3)]
    client.runs.cancel_many(thread_id=thread, run_ids=runs[1:])
    gate.set()
    client.runs.join(thread, runs[0])
    found = {run["run_id"]: run["status"] for run in client.runs.list(thread)}
    assert [found[run] for run in runs] == ["success", "interrupted", "interrupted"]


def test_runs_on_no_thread(client: Any) -> None:
    assert client.runs.wait(None, "speak", input=INPUT) == {"said": ["x", "heard 1"]}
    found = events(client.runs.stream(None, "speak", input=INPUT, stream_mode="updates"))
    assert found[1:] == [("updates", {"speak": {"said": ["heard 1"]}}), ("end", None)]
    run = client.runs.create(None, "speak", input=INPUT)
    assert run["thread_id"] is None
    runs = client.runs.create_batch([{"assistant_id": "speak", "input": INPUT}, {"assistant_id": "up", "input": INPUT}])
    assert [each["metadata"]["graph_id"] for each in runs] == ["speak", "up"]


def test_a_run_stops_where_it_is_told(client: Any, thread: str) -> None:
    client.runs.wait(thread, "ask", input=INPUT, interrupt_before=["ask"])
    assert client.threads.get_state(thread)["next"] == ["ask"]
    assert client.threads.get(thread)["status"] == "interrupted"
    client.runs.wait(thread, "ask", input=None, interrupt_after="*")
    assert client.threads.get_state(thread)["interrupts"]


def test_a_run_begins_at_a_checkpoint(client: Any, thread: str) -> None:
    client.runs.wait(thread, "speak", input=INPUT)
    client.runs.wait(thread, "speak", input={"said": ["y"]})
    first = [state for state in client.threads.get_history(thread) if state["values"].get("said") == ["x", "heard 1"]]
    output = client.runs.wait(thread, "speak", input={"said": ["z"]}, checkpoint=first[-1]["checkpoint"])
    assert output["said"] == ["x", "heard 1", "z", "heard 3"]


def test_a_thread_is_made_if_that_is_asked_for(client: Any) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        client.runs.wait("nobody-has-made-it", "speak", input=INPUT)
    with pytest.raises(NotFoundError):
        client.runs.create("nobody-has-made-it", "speak", input=INPUT)
    assert client.runs.wait("made-by-its-first-run", "speak", input=INPUT, if_not_exists="create")["said"]
    made = client.threads.get("made-by-its-first-run")
    assert made["metadata"]["graph_id"] == "speak" and made["metadata"]["assistant_id"]
    assert client.threads.search(metadata={"graph_id": "speak"}, ids=["made-by-its-first-run"])


def test_what_has_no_effect_is_named(url: str, kind: str, thread: str) -> None:
    body = {"assistant_id": "speak", "input": INPUT, "webhook": "http://x", "durability": "sync", "unknown": 1}
    answer = httpx.post(f"{url}/threads/{thread}/runs/wait", json=body)
    named = {"cluster": "webhook, durability", "embedded": "webhook"}[kind]
    assert answer.status_code == 200 and answer.headers["Drumline-Ignored"] == named
    assert answer.headers["Content-Location"].startswith(f"/threads/{thread}/runs/")


def test_a_reader_comes_back_behind_its_last_event(url: str, client: Any, thread: str) -> None:
    parts = list(client.runs.stream(thread, "nested", input=INPUT, stream_mode=["values", "updates", "tasks"]))
    [run] = client.runs.list(thread)
    whole = [(part.event, part.data, part.id) for part in parts]
    assert all(part.id for part in parts)
    for cut in range(len(parts)):
        rest = client.runs.join_stream(
            thread, run["run_id"], stream_mode=["values", "updates", "tasks"], last_event_id=parts[cut].id
        )
        assert [(part.event, part.data, part.id) for part in rest] == (whole[cut + 1 :] or whole[-1:])
    again = client.runs.join_stream(
        thread, run["run_id"], stream_mode=["values", "updates", "tasks"], last_event_id="-1"
    )
    assert [(part.event, part.data, part.id) for part in again] == whole
    for bad in ("$", "other", "1" * 5000):
        answer = httpx.get(f"{url}/threads/{thread}/runs/{run['run_id']}/stream", headers={"Last-Event-ID": bad})
        assert answer.status_code == 400 and "Last-Event-ID" in answer.json()["detail"]
