"""All runs of a thread by the stream that `client.threads.join_stream` reads."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

RUN = {"assistant_id": "speak", "input": {"said": ["hi"]}, "if_not_exists": "create"}


@pytest.fixture
def thread(url: str) -> str:
    """A thread with a run that has ended."""
    name = str(uuid.uuid4())
    httpx.post(f"{url}/threads/{name}/runs/wait", json=RUN, timeout=30)
    return name


async def joined(url: str, thread: str, count: int, **given: Any) -> list[Any]:
    """What a client gets until so many runs are done."""
    parts: list[Any] = []
    async with get_client(url=url) as client:
        async for part in await client.threads.join_stream(thread, **given):
            parts.append(part)
            if [each.event for each in parts].count("run_done") == count:
                break
    return parts


def test_a_client_joins_runs_that_come_and_those_that_were(url: str, thread: str) -> None:
    async def both() -> tuple[list[Any], list[Any]]:
        waits = asyncio.ensure_future(joined(url, thread, 1))
        async with httpx.AsyncClient(timeout=30) as http:
            while not waits.done():  # whether its stream is open yet, only what comes of it tells
                await http.post(f"{url}/threads/{thread}/runs/wait", json=RUN)
                await asyncio.wait({waits}, timeout=0.2)
        return await waits, await joined(url, thread, 2, last_event_id="-1")

    coming, all_of_it = asyncio.run(both())
    runs = [run["run_id"] for run in httpx.get(f"{url}/threads/{thread}/runs").json()]
    assert coming[0].event == "metadata" and coming[0].data["run_id"] in runs[:-1]
    assert [part.data["run_id"] for part in all_of_it if part.event == "metadata"] == runs[::-1][:2]
    first = [part.event for part in all_of_it][:5]
    assert first == ["metadata", "values", "updates", "values", "run_done"]
    assert all_of_it[4].data == {"run_id": runs[-1], "status": "success"}


@pytest.mark.parametrize("modes", [["run_modes"], ["lifecycle"], ["state_update"], ["run_modes", "state_update"]])
def test_whoever_comes_back_has_the_rest_and_nothing_twice(url: str, thread: str, modes: Any) -> None:
    httpx.post(f"{url}/threads/{thread}/runs/wait", json={**RUN, "assistant_id": "fail"}, timeout=30)
    whole = asyncio.run(joined(url, thread, 2, last_event_id="-1", stream_mode=modes))
    assert len({part.id for part in whole}) == len(whole)
    done = [part.data for part in whole if part.event == "run_done"]
    assert [each["status"] for each in done] == ["success", "error"]
    assert done[1]["error"] == {"error": "ValueError", "message": "this graph always fails"}
    states = [part.data["values"] for part in whole if part.event == "state_update"]
    assert states == (
        [{"said": ["hi"]}, {"said": ["hi", "heard 1"]}, {"said": ["hi", "heard 1", "hi"]}]
        if "state_update" in modes
        else []
    )
    for place, part in enumerate(whole[:-1]):
        left = [each.event for each in whole[place + 1 :]].count("run_done")
        rest = asyncio.run(joined(url, thread, left, last_event_id=part.id, stream_mode=modes))
        assert [each.id for each in rest] == [each.id for each in whole[place + 1 :]]


def test_ids_that_nobody_gave_out_are_refused(url: str, thread: str) -> None:
    for given, status in (("nonsense", 400), ("12@", 400), ("x@y", 400), ("done@elsewhere", 410), ("0@elsewhere", 410)):
        answer = httpx.get(f"{url}/threads/{thread}/stream", headers={"Last-Event-ID": given})
        assert answer.status_code == status, (given, answer.text)
    assert httpx.get(f"{url}/threads/{thread}/stream?stream_mode=values").status_code == 422
    assert httpx.get(f"{url}/threads/none-such/stream").status_code == 404


def test_a_run_that_goes_on_is_joined(url: str, thread: str, gate: threading.Event) -> None:
    started = httpx.post(
        f"{url}/threads/{thread}/runs", json={"assistant_id": "wait", "input": {"topic": "wait"}}
    ).json()

    async def join() -> list[Any]:
        parts = []
        async with get_client(url=url) as client:
            async for part in await client.threads.join_stream(thread, stream_mode="lifecycle"):
                parts.append((part.event, part.data["run_id"]))
                gate.set()
                if part.event == "run_done":
                    break
        return parts

    assert asyncio.run(join()) == [("metadata", started["run_id"]), ("run_done", started["run_id"])]
