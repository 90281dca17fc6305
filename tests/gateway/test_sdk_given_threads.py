"""LangGraph's Python SDK against both gateways: threads that are made with a history, and for a time."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError
from tests.gateway.stand import talk

from drumline_gateway.embedded_service import EmbeddedService
from drumline_gateway.service import Start
from drumline_protocol.retention import Retention

UPDATES = [({"said": ["hi"], "topic": "t"}, "__start__"), ({"said": ["heard 1"]}, "speak")]
STEPS = [{"updates": [{"values": values, "as_node": node}]} for values, node in UPDATES]


def test_a_thread_with_supersteps_is_as_one_that_was_changed_by_them(client: Any) -> None:
    made = client.threads.create(graph_id="ask", supersteps=STEPS)
    assert made["values"] == {"said": ["hi", "heard 1"], "topic": "t"} and made["metadata"]["graph_id"] == "ask"
    other = client.threads.create(graph_id="ask")["thread_id"]
    for values, node in UPDATES:
        client.threads.update_state(other, values, as_node=node)
    theirs, ours = (
        [(row["values"], row["next"], row["metadata"]["step"]) for row in client.threads.get_history(thread)]
        for thread in (other, made["thread_id"])
    )
    assert ours == theirs and ours[0][1] == ["ask"]
    asked = client.runs.wait(made["thread_id"], "ask", input=None)
    assert asked["__interrupt__"][0]["value"] == {"question": "t"}


def test_an_update_may_be_a_command(client: Any) -> None:
    command = {"update": {"said": ["told"]}, "goto": "ask"}
    steps = [*STEPS[:1], {"updates": [{"values": None, "command": command, "as_node": "speak"}]}]
    state = client.threads.get_state(client.threads.create(graph_id="ask", supersteps=steps)["thread_id"])
    assert state["values"]["said"] == ["hi", "told"] and state["next"] == ["ask"]


def test_what_cannot_be_leaves_no_thread(client: Any) -> None:
    at = str(uuid.uuid4())
    nobody = [{"updates": [{"values": {}, "as_node": "nobody"}]}]
    for given in ({"graph_id": "ask", "supersteps": nobody}, {"supersteps": STEPS}):
        with pytest.raises(UnprocessableEntityError):
            client.threads.create(thread_id=at, **given)
        with pytest.raises(NotFoundError):
            client.threads.get(at)
    made = client.threads.create(thread_id=at, graph_id="ask", supersteps=STEPS)
    with pytest.raises(ConflictError):
        client.threads.create(thread_id=at, graph_id="ask", supersteps=STEPS)
    again = client.threads.create(thread_id=at, graph_id="ask", supersteps=STEPS, if_exists="do_nothing")
    assert again["values"] == made["values"] and len(client.threads.get_history(at)) == 2


@pytest.mark.parametrize("ttl", [5, 0.5, {"ttl": 5, "strategy": "keep_latest"}])
def test_how_long_a_thread_is_kept_is_said_when_it_is_made_or_later(client: Any, url: str, ttl: Any) -> None:
    made = client.threads.create(ttl=ttl)
    changed = client.threads.update(made["thread_id"], metadata={"n": 1}, ttl=ttl)
    assert changed["metadata"] == {"n": 1}
    body = {"metadata": {}, "ttl": ttl}
    assert "Drumline-Ignored" not in httpx.patch(f"{url}/threads/{made['thread_id']}", json=body).headers


@pytest.mark.parametrize("ttl", [0, -1, "long", True, {"strategy": "delete"}, {"ttl": 1, "strategy": "burn"}, 1e300])
def test_a_ttl_that_cannot_be_is_refused_and_makes_no_thread(client: Any, url: str, ttl: Any) -> None:
    at = str(uuid.uuid4())
    assert httpx.post(f"{url}/threads", json={"thread_id": at, "ttl": ttl}).status_code == 422
    with pytest.raises(NotFoundError):
        client.threads.get(at)


def test_threads_of_one_process_go_when_their_time_is_over(tmp_path: Path) -> None:
    asyncio.run(_when_time_is_over(tmp_path))


def test_threads_of_one_process_go_by_the_rules_of_the_project(tmp_path: Path) -> None:
    asyncio.run(_when_the_project_says_so(tmp_path))


async def _when_the_project_says_so(folder: Path) -> None:
    """`checkpointer.ttl` of langgraph.json: all threads but those that have rules of their own, and what asks stays."""
    graphs = {name: talk()[name].program for name in ("speak", "ask")}
    service = EmbeddedService(graphs, folder, Retention(max_age=60, max_checkpoints=2, keep="interrupted"))
    await service.open()
    for thread, graph in (("idle", "speak"), ("own", "speak"), ("asks", "ask")):
        await service.make_thread(thread, {}, refuse=True)
        await service.result(await service.start(Start(graph, {"said": ["x"]}, thread)), thread)
    await service.keep("own", Retention(max_age=3600))
    at = (await service.thread("asks"))["updated_ms"]

    async def sizes() -> dict[str, int]:
        found = {}
        for thread, graph in (("idle", "speak"), ("own", "speak"), ("asks", "ask")):
            config = {"configurable": {"thread_id": thread}}
            found[thread] = len([state async for state in service.graphs[graph].aget_state_history(config)])
        return found

    await service.sweep(at + 1000)
    assert await sizes() == {"idle": 2, "own": 3, "asks": 2}
    await service.sweep(at + 120_000)
    assert await sizes() == {"idle": 0, "own": 3, "asks": 1}
    assert {row["thread_id"] for row in await service.threads()} == {"own", "asks"}
    await service.aclose()


async def _when_time_is_over(folder: Path) -> None:
    graphs = {"speak": talk()["speak"].program}
    service = EmbeddedService(graphs, folder)
    await service.open()
    for thread in ("gone", "latest", "stays", "empty", "late"):
        await service.make_thread(thread, {}, refuse=True)
        if thread not in ("empty", "late"):
            await service.result(await service.start(Start("speak", {"said": ["x"]}, thread)), thread)
    for thread in ("gone", "empty", "late"):
        await service.keep(thread, Retention(max_age=60, keep="none"))
    await service.keep("latest", Retention(max_age=60))
    run = await service.start(Start("speak", {"said": ["x"]}, "late", after_seconds=3600))
    await service.aclose()
    service = EmbeddedService(graphs, folder)  # the rules outlive the process, and so does what sleeps
    await service.open()
    at = (await service.thread("stays"))["updated_ms"]
    await service.sweep(at + 1000)
    assert len(await service.threads()) == 5
    await service.sweep(at + 120_000)
    assert {row["thread_id"] for row in await service.threads()} == {"latest", "stays", "late"}
    for thread, kept in (("latest", 1), ("stays", 3), ("gone", 0)):
        config = {"configurable": {"thread_id": thread}}
        assert len([state async for state in service.graphs["speak"].aget_state_history(config)]) == kept, thread
    await service.cancel(run, "late", rollback=False)
    await service.sweep(at + 120_000)
    assert {row["thread_id"] for row in await service.threads()} == {"latest", "stays"}
    await service.aclose()
