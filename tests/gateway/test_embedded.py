"""What is special where graphs run in the gateway's process: what outlives it, what ends with it, what it forgets."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.gateway.stand import talk

from drumline.cluster.position import Position, position_text, run_tag
from drumline_gateway import embedded_runs
from drumline_gateway.app import build
from drumline_gateway.auth import Guard
from drumline_gateway.caps import Caps
from drumline_gateway.embedded_service import THREADS, EmbeddedService
from drumline_gateway.service import Start, Wanted
from drumline_protocol.errors import InvalidPosition, RunCancelled, RunIdTaken, ThreadExists, UnknownGraph, UnknownRun

INPUT = {"said": ["x"]}


def during(do: Callable[[EmbeddedService], Awaitable[None]], folder: Path | None = None, **options: Any) -> None:
    """Do this with a service, from its beginning to its end."""

    async def talk_to() -> None:
        programs = {name: graph.program for name, graph in talk(**options).items()}
        service = EmbeddedService(programs, folder)
        await service.open()
        try:
            await do(service)
        finally:
            await service.aclose()

    asyncio.run(talk_to())


async def ran(service: EmbeddedService, graph: str, thread: str | None, input: Any = INPUT) -> Any:
    return await service.result(await service.start(Start(graph, input, thread)), thread)


def test_threads_and_items_outlive_the_process(tmp_path: Path) -> None:
    async def first(service: EmbeddedService) -> None:
        await service.make_thread("t", {"title": "kept"}, refuse=True)
        await ran(service, "ask", "t")
        await service.store.aput(("a",), "k", {"n": 1})

    async def second(service: EmbeddedService) -> None:
        row = await service.thread("t")
        assert (row["status"], row["metadata"]["title"], row["graph"]) == ("paused", "kept", "ask")
        state = await service.graphs["ask"].aget_state({"configurable": {"thread_id": "t"}})
        assert state.next == ("ask",) and state.values == {"said": ["x", "heard 1"]}
        assert (await service.store.aget(("a",), "k")).value == {"n": 1}
        assert await service.runs("t") == []

    during(first, tmp_path)
    during(second, tmp_path)


def test_a_thread_that_was_busy_when_the_process_died_has_failed(tmp_path: Path) -> None:
    async def first(service: EmbeddedService) -> None:
        await ran(service, "speak", "t")

    async def second(service: EmbeddedService) -> None:
        assert (await service.thread("t"))["status"] == "failed"
        await ran(service, "speak", "t")
        assert (await service.thread("t"))["status"] == "idle"

    during(first, tmp_path)
    with sqlite3.connect(tmp_path / THREADS) as connection:
        connection.execute("UPDATE drumline_threads SET status = 'busy'")
    during(second, tmp_path)


def test_how_a_thread_stands_is_kept_before_a_reader_hears_of_the_end() -> None:
    async def do(service: EmbeddedService) -> None:
        for _ in range(20):
            run = await service.start(Start("ask", INPUT, "t"))
            async for _item in service.items(run, "t", Wanted(["updates"])):
                pass
            assert (await service.thread("t"))["status"] == "paused"
            assert (await service.run(run, "t"))["status"] == "paused"
            await service.start(Start("ask", INPUT, "t", strategy="reject"))  # the thread is free
            await service.delete_thread("t")

    during(do)


def test_runs_end_with_the_process() -> None:
    readers: list[asyncio.Task[Any]] = []

    async def read(service: EmbeddedService, run: str) -> Any:
        with pytest.raises(RunCancelled):
            async for _item in service.items(run, "t", Wanted(["values"])):
                pass

    async def do(service: EmbeddedService) -> None:
        runs = [await service.start(Start("sleep", INPUT, "t")) for _ in range(2)]
        readers.extend(asyncio.create_task(read(service, run)) for run in runs)
        await asyncio.sleep(0)

    async def whole() -> None:
        service = EmbeddedService({name: graph.program for name, graph in talk().items()})
        await service.open()
        await do(service)
        await service.aclose()
        await asyncio.wait_for(asyncio.gather(*readers), 20)

    asyncio.run(whole())


def test_a_run_that_is_cancelled_before_its_first_step_ends() -> None:
    async def do(service: EmbeddedService) -> None:
        run = await service.start(Start("speak", INPUT, "t"))
        await service.cancel(run, "t", rollback=True)
        with pytest.raises(RunCancelled):
            await asyncio.wait_for(service.result(run, "t"), 20)
        assert (await service.thread("t"))["status"] == "idle"

    during(do)


def test_readers_see_the_same_items_from_any_position() -> None:
    async def read(service: EmbeddedService, run: str, after: str | None) -> list[Any]:
        wanted = Wanted(["values", "updates"], subgraphs=True, after=after)
        return [(item.position, item.mode, item.ns) async for item in service.items(run, None, wanted)]

    async def do(service: EmbeddedService) -> None:
        run = await service.start(Start("nested", INPUT))
        both = await asyncio.gather(read(service, run, None), read(service, run, None))
        assert both[0] == both[1] and len({position for position, _, _ in both[0]}) == len(both[0])
        for number, (position, _, _) in enumerate(both[0], 1):
            assert await read(service, run, position) == both[0][number:]
        other = await service.start(Start("nested", INPUT))
        for bad in (both[0][0][0], "1", "9999.1." + both[0][0][0].split(".", 2)[2].partition("-")[0] + "-1."):
            with pytest.raises(InvalidPosition):
                service.items(other, None, Wanted(["values"], after=bad))

    during(do)


def test_old_runs_are_forgotten_and_open_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_runs, "KEPT_MAX", 3)

    async def do(service: EmbeddedService) -> None:
        slow = await service.start(Start("sleep", INPUT))
        runs = []
        for _ in range(5):
            runs.append(await service.start(Start("speak", INPUT)))
            await service.result(runs[-1], None)
        assert (await service.run(slow, None))["status"] == "open"
        with pytest.raises(UnknownRun):
            await service.run(runs[0], None)
        await service.run(runs[-1], None)

    during(do)


def test_what_cannot_be_is_refused() -> None:
    async def do(service: EmbeddedService) -> None:
        with pytest.raises(UnknownGraph):
            await service.start(Start("nobody", INPUT))
        named = Start("speak", INPUT, config={"run_id": "r1"})
        await service.start(named)
        with pytest.raises(RunIdTaken):
            await service.start(named)
        await service.make_thread("t", {}, refuse=True)
        with pytest.raises(ThreadExists):
            await service.make_thread("t", {}, refuse=True)
        with pytest.raises(UnknownRun):
            await service.run("r1", "t")  # it is on no thread

    during(do)


def test_durability_is_honoured() -> None:
    async def do(service: EmbeddedService) -> None:
        for durability, count in (("exit", 1), ("sync", 3)):
            run = await service.start(Start("speak", INPUT, durability, durability=durability))
            await service.result(run, durability)
            history = service.graphs["speak"].aget_state_history({"configurable": {"thread_id": durability}})
            assert len([state async for state in history]) == count

    during(do)


def test_a_stream_that_there_is_no_room_for_starts_no_run() -> None:
    programs = {name: graph.program for name, graph in talk().items()}
    app = build(EmbeddedService(programs), guard=Guard(caps=Caps(streams_max=0)))
    with TestClient(app) as http:
        thread = http.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "speak", "input": INPUT}
        assert http.post(f"/threads/{thread}/runs/stream", json=body).status_code == 429
        asked = http.post(f"/threads/{thread}/runs/stream", json=body, params={"retracted": "perhaps"})
        assert asked.status_code == 422
        assert http.get(f"/threads/{thread}/runs").json() == []


def test_who_asks_for_a_place_that_is_not_there_gives_the_stream_back() -> None:
    programs = {name: graph.program for name, graph in talk().items()}
    with TestClient(build(EmbeddedService(programs), guard=Guard(caps=Caps(streams_max=1)))) as http:
        run = http.post("/runs", json={"assistant_id": "speak", "input": INPUT}).json()["run_id"]
        http.get(f"/runs/{run}/join")
        late = position_text(Position(10_000, 1, 1, True), run_tag(run))
        for path in (f"/runs/{run}/stream", f"/drumline/runs/{run}/facts"):
            for _ in range(3):
                assert http.get(path, headers={"Last-Event-ID": late}).status_code == 400
            assert http.get(path).status_code == 200
