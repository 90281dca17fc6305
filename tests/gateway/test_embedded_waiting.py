"""Runs of the gateway's process that wait for their time or their thread: they are there again when the process is."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.stand import talk
from tests.gateway.test_embedded import INPUT, during

from drumline_gateway.embedded_service import THREADS, EmbeddedService
from drumline_gateway.service import Start
from drumline_graph.types import Command
from drumline_protocol.errors import RunCancelled, ThreadBusy, UnknownGraph, UnknownRun
from drumline_protocol.trace_context import arrived, trace_here

HOUR = 3600
TRACE = ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b")


def later(thread: str | None, seconds: float = HOUR, graph: str = "speak", **given: Any) -> Start:
    return Start(graph, given.pop("input", INPUT), thread, after_seconds=seconds, **given)


def overdue(folder: Path) -> None:
    """The time of all that waits has come while no process was there."""
    with sqlite3.connect(folder / THREADS) as connection:
        connection.execute("UPDATE drumline_waiting_runs SET due_ms = 1000 + place WHERE due_ms IS NOT NULL")


def rows(folder: Path) -> list[str]:
    with sqlite3.connect(folder / THREADS) as connection:
        return [run for (run,) in connection.execute("SELECT run FROM drumline_waiting_runs ORDER BY place")]


async def values(service: EmbeddedService, thread: str) -> Any:
    return (await service.graphs["speak"].aget_state({"configurable": {"thread_id": thread}})).values


def test_one_that_sleeps_begins_after_a_restart(tmp_path: Path) -> None:
    ids: dict[str, str] = {}

    async def first(service: EmbeddedService) -> None:
        config = {"tags": ["x"], "metadata": {"by": "me"}, "configurable": {"who": "ada"}}
        ids["told"] = await service.start(later("t", graph="told", config=config))
        ids["alone"] = await service.start(later(None))
        ids["seen"] = str((await service.run(ids["told"], "t"))["created_ms"])

    async def still(service: EmbeddedService) -> None:
        row = await service.run(ids["told"], "t")
        assert (row["status"], row["metadata"], str(row["created_ms"])) == ("queued", {"by": "me"}, ids["seen"])
        assert [run["run_id"] for run in await service.runs("t")] == [ids["told"]]

    async def second(service: EmbeddedService) -> None:
        found = await service.result(ids["told"], "t")
        assert found["said"][1:] == [{"who": "ada", "tags": ["x"]}]
        assert (await service.result(ids["alone"], None))["said"] == ["x", "heard 1"]
        assert (await service.thread("t"))["metadata"] == {"by": "me"}

    async def third(service: EmbeddedService) -> None:
        with pytest.raises(UnknownRun):
            await service.run(ids["told"], "t")
        assert len((await values(service, "t"))["said"]) == 2

    during(first, tmp_path)
    during(still, tmp_path)
    overdue(tmp_path)
    during(second, tmp_path)
    assert rows(tmp_path) == []
    during(third, tmp_path)


def test_once_accepted_one_is_kept_though_the_process_is_killed(tmp_path: Path) -> None:
    """Nothing is left for an orderly end: what is in the file when the answer goes out is what there will be."""
    ids: list[str] = []
    killed = tmp_path / "killed"

    async def first(service: EmbeddedService) -> None:
        await service.start(Start("sleep", {"topic": "sleep"}, "t"))
        ids.extend([await service.start(later("t")), await service.start(Start("speak", INPUT, "t"))])
        shutil.copytree(tmp_path / "first", killed)

    async def second(service: EmbeddedService) -> None:
        assert (await service.result(ids[1], "t"))["said"] == ["x", "heard 1"]
        assert (await service.run(ids[0], "t"))["status"] == "queued"

    during(first, tmp_path / "first")
    during(second, killed)


def test_those_behind_a_run_go_on_in_their_order(tmp_path: Path) -> None:
    """The run that held the thread is gone with its process. Nobody is interrupted by who has waited behind him."""
    ids: list[str] = []

    async def first(service: EmbeddedService) -> None:
        await service.start(Start("sleep", {"topic": "sleep"}, "t"))
        enqueued, interrupts = (  # the node that sleeps does not end at once
            Start("slow", {"said": [strategy]}, "t", strategy=strategy) for strategy in ("enqueue", "interrupt")
        )
        ids.extend([await service.start(enqueued), await service.start(interrupts)])
        assert [(await service.run(run, "t"))["status"] for run in ids] == ["queued", "queued"]

    async def second(service: EmbeddedService) -> None:
        said = (await service.result(ids[1], "t"))["said"]
        assert [(await service.run(run, "t"))["status"] for run in ids] == ["done", "done"]
        assert said == ["enqueue", "waited", "heard 2", "interrupt", "waited", "heard 5"]

    during(first, tmp_path)
    assert rows(tmp_path) == ids
    during(second, tmp_path)
    assert rows(tmp_path) == []


def test_one_whose_time_has_come_waits_behind_those_that_came_first(tmp_path: Path) -> None:
    ids: list[str] = []

    async def first(service: EmbeddedService) -> None:
        ids.append(await service.start(later("t", 0.01, input={"said": ["late"]})))
        await service.start(Start("sleep", {"topic": "sleep"}, "t"))
        ids.append(await service.start(Start("speak", {"said": ["soon"]}, "t")))
        while rows(tmp_path) != [ids[1], ids[0]]:  # woken, and now behind the other one
            await asyncio.sleep(0)

    async def second(service: EmbeddedService) -> None:
        assert (await service.result(ids[0], "t"))["said"] == ["soon", "heard 1", "late", "heard 3"]

    during(first, tmp_path)
    during(second, tmp_path)


def test_what_was_given_up_does_not_come_back(tmp_path: Path) -> None:
    async def first(service: EmbeddedService) -> None:
        for thread in ("cancelled", "deleted", "gone"):
            await service.make_thread(thread, {}, refuse=True)
        cancelled, deleted = await service.start(later("cancelled")), await service.start(later("deleted"))
        await service.start(later("gone"))
        await service.cancel(cancelled, "cancelled", rollback=False)
        assert deleted in rows(tmp_path) and cancelled not in rows(tmp_path)
        await service.delete_run(deleted, "deleted")
        await service.delete_thread("gone")
        assert rows(tmp_path) == []
        await service.start(Start("sleep", {"topic": "sleep"}, "busy"))
        refused = await service.start(later("busy", 0.01, strategy="reject"))
        with pytest.raises(ThreadBusy):
            await service.result(refused, "busy")

    during(first, tmp_path)
    assert rows(tmp_path) == []


def test_those_that_wait_when_the_process_ends_are_told_so_and_stay(tmp_path: Path) -> None:
    """A reader in the process hears of its end; the run is there again with the next one."""
    ended: list[BaseException] = []

    async def first(service: EmbeddedService) -> None:
        run = await service.start(later("t"))

        async def read() -> None:
            try:
                await service.result(run, "t")
            except RunCancelled as error:
                ended.append(error)

        ended_task = asyncio.create_task(read())
        await asyncio.sleep(0)
        await service.aclose()
        await ended_task

    async def whole() -> None:
        service = EmbeddedService({name: graph.program for name, graph in talk().items()}, tmp_path)
        await service.open()
        await first(service)

    asyncio.run(whole())
    assert len(ended) == len(rows(tmp_path)) == 1


def test_what_was_sent_comes_back_as_it_was(tmp_path: Path) -> None:
    ids: list[str] = []

    async def first(service: EmbeddedService) -> None:
        await service.result(await service.start(Start("ask", INPUT, "t")), "t")
        token = arrived.set(TRACE)
        ids.append(await service.start(later("t", graph="ask", input=Command(resume={"by": ("a", 1)}))))
        arrived.reset(token)

    async def second(service: EmbeddedService) -> None:
        assert service._runs.get(ids[0], "t").context.run(trace_here) == TRACE
        assert (await service.result(ids[0], "t"))["said"][-1] == {"by": ("a", 1)}

    during(first, tmp_path)
    overdue(tmp_path)
    during(second, tmp_path)


@pytest.mark.parametrize("change", ["graph = 'nobody'", "data = X'c1'", "data = X'90'"])
def test_one_that_cannot_be_run_any_more_fails_alone(tmp_path: Path, change: str) -> None:
    ids: list[str] = []

    async def first(service: EmbeddedService) -> None:
        ids.extend([await service.start(later("t")), await service.start(later("t"))])

    async def second(service: EmbeddedService) -> None:
        row = await service.run(ids[0], "t")
        assert row["status"] == "failed"
        with pytest.raises(UnknownGraph if "graph" in change else Exception):
            await service.result(ids[0], "t")
        await service.result(ids[1], "t")

    during(first, tmp_path)
    with sqlite3.connect(tmp_path / THREADS) as connection:
        connection.execute(f"UPDATE drumline_waiting_runs SET {change} WHERE run = ?", ids[:1])
    overdue(tmp_path)
    during(second, tmp_path)
    assert rows(tmp_path) == []


def test_one_that_died_before_its_first_node_runs_once(tmp_path: Path) -> None:
    """The row goes only when the thread is busy; what is found of a run that had not come so far is run anew."""
    ids: list[str] = []

    async def first(service: EmbeddedService) -> None:
        ids.append(await service.start(later("t")))

    async def second(service: EmbeddedService) -> None:
        await service.result(ids[0], "t")

    async def third(service: EmbeddedService) -> None:
        assert await service.runs("t") == []
        assert await values(service, "t") == {"said": ["x", "heard 1"]}

    during(first, tmp_path)
    with sqlite3.connect(tmp_path / THREADS) as connection:
        connection.execute("INSERT INTO drumline_threads VALUES ('t', 'busy', 'speak', ?, '{}', 1, 1)", ids)
    overdue(tmp_path)
    during(second, tmp_path)
    during(third, tmp_path)


def test_one_that_cannot_be_written_runs_in_this_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def first(service: EmbeddedService) -> None:
        run = await service.start(later(None, 0.01, input={"said": [object()]}))
        assert len((await service.result(run, None))["said"]) == 2
        assert f"run {run} would be lost if the process ended before it begins: cannot encode" in caplog.text

    during(first, tmp_path)
    assert rows(tmp_path) == []
