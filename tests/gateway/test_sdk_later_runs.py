"""LangGraph's Python SDK against both gateways: runs that are to begin later."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

INPUT = {"said": ["x"]}
HOUR = 3600


@pytest.fixture
def thread(client: Any) -> Any:
    return client.threads.create()["thread_id"]


def test_one_begins_when_its_time_has_come(client: Any, thread: str, url: str) -> None:
    run = client.runs.create(thread, "speak", input=INPUT, after_seconds=0.05)
    assert client.runs.join(thread, run["run_id"])["said"] == ["x", "heard 1"]
    assert client.runs.get(thread, run["run_id"])["status"] == "success"
    body = {"assistant_id": "speak", "input": INPUT, "after_seconds": 0.05}
    assert httpx.post(f"{url}/runs/wait", json=body).json()["said"] == ["x", "heard 1"]


def test_until_then_it_is_pending_and_in_nobodys_way(client: Any, thread: str) -> None:
    late = client.runs.create(thread, "speak", input=INPUT, after_seconds=HOUR)
    assert late["status"] == "pending" == client.runs.get(thread, late["run_id"])["status"]
    assert [run["run_id"] for run in client.runs.list(thread, status="pending")] == [late["run_id"]]
    assert client.runs.wait(thread, "speak", input=INPUT)["said"] == ["x", "heard 1"]
    assert client.threads.get(thread)["status"] == "idle"
    client.runs.cancel(thread, late["run_id"], wait=True)
    assert client.runs.get(thread, late["run_id"])["status"] == "interrupted"
    assert client.threads.get_state(thread)["values"]["said"] == ["x", "heard 1"]


def test_one_that_waits_goes_with_its_thread(client: Any, thread: str, url: str) -> None:
    late = client.runs.create(thread, "speak", input=INPUT, after_seconds=HOUR)
    client.threads.delete(thread)
    assert httpx.get(f"{url}/threads/{thread}/runs/{late['run_id']}").status_code == 404


def test_one_finds_its_thread_as_it_is_when_its_time_has_come(client: Any, thread: str, gate: Any) -> None:
    busy = client.runs.create(thread, "wait", input={"topic": "wait"})
    refused = client.runs.create(thread, "speak", input=INPUT, after_seconds=0.05, multitask_strategy="reject")
    late = client.runs.create(thread, "speak", input=INPUT, after_seconds=0.05)
    assert "ThreadBusy" in str(client.runs.join(thread, refused["run_id"]))
    gate.set()
    assert client.runs.join(thread, busy["run_id"])["said"] == ["waited"]
    assert client.runs.join(thread, late["run_id"])["said"] == ["waited", "x", "heard 2"]


@pytest.mark.parametrize("after", [-1, "soon", True, 1e12])
def test_a_time_that_cannot_be_is_refused(url: str, after: Any) -> None:
    body = {"assistant_id": "speak", "input": INPUT, "after_seconds": after}
    answer = httpx.post(f"{url}/runs", json=body)
    assert answer.status_code == 422 and "after_seconds" in answer.json()["detail"]
