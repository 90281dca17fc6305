"""The worker's own rules, step by step on the double: what is held, renewed, cancelled, freed."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from tests.worker.stand import LEASE_MS, Stand

from drumline_protocol.errors import NoBroker
from drumline_protocol.messages import TaskResult
from drumline_worker.loop import LoopThread
from drumline_worker.service import RENEWALS

LIMIT_S = 20


def test_ten_quiet_leases_let_nothing_lapse() -> None:
    stand = Stand()
    for n in range(3):
        stand.give(n)
    taken = stand.take() + stand.take()
    assert len(taken) == 3
    for _ in range(10 * RENEWALS):
        stand.server.now_ms += LEASE_MS // RENEWALS
        stand.worker.keeper.turn()
        assert stand.broker.stale_tasks("default", LEASE_MS // 2, "-", 10)[0] == []
    assert not any(execution.cancelled for execution, _ in taken)
    [(_, age_ms)] = stand.broker.members("workers").values()
    assert age_ms == 0


def test_what_was_given_to_somebody_else_is_cancelled_and_told_once(caplog: Any) -> None:
    stand = Stand()
    stand.give(1)
    stand.give(2)
    [lost, kept] = stand.take()
    stand.broker.drop_tasks("default", [lost[0].entry])
    with caplog.at_level(logging.WARNING, "drumline"):
        for _ in range(5):
            stand.worker.keeper.turn()
    assert lost[0].cancelled and not kept[0].cancelled
    assert list(stand.worker.table.entries()) == [("default", kept[0].entry)], (
        "what is cancelled is not asked for again"
    )
    assert [record.getMessage().count(lost[0].task) for record in caplog.records] == [1]
    # Its slot is free as soon as the node has run out, and nothing that it said is heard
    stand.run([lost, kept])
    stand.send()
    assert [answer.task for answer in stand.said()] == [kept[0].task]
    assert len(stand.worker.table) == 0


def test_cancel_of_one_task_leaves_its_siblings(caplog: Any) -> None:
    stand = Stand()
    for n in range(3):
        stand.give(n)
    stand.give(9, run="other")
    taken = stand.take() + stand.take()
    with caplog.at_level(logging.INFO, "drumline"):
        stand.cancel(taken[1][0].task)
    assert [execution.cancelled for execution, _ in taken] == [False, True, False, False]
    assert "is cancelled" in caplog.text and taken[1][0].task in caplog.text
    stand.cancel()
    assert [execution.cancelled for execution, _ in taken] == [True, True, True, False], (
        "all of the run when none is named"
    )


def test_a_worker_takes_at_most_its_free_slots() -> None:
    stand = Stand(concurrency=4)
    for n in range(20):
        stand.give(n)
    held: list[Any] = []
    for _ in range(10):
        held += stand.take()
    assert len(held) == 4 == stand.pending
    assert stand.worker.outbox.claim()  # somebody sends just now
    stand.run(held[:3])
    assert stand.take() == [], "a slot is free when the broker has the answer, not before"
    stand.worker.sender.send_claimed()
    assert len(stand.take()) == 1, "and not all at once, so that others get some"


def test_an_entry_that_comes_twice_holds_two_slots_until_both_ended() -> None:
    stand = Stand(concurrency=2)
    stand.give(1)
    first = stand.take()
    pool = stand.server.pool("default")
    pool.delivered = (0, 0)  # the server lost its tail
    second = stand.take()
    assert first[0][0].entry == second[0][0].entry
    assert stand.worker.table.free == 0
    stand.run(first)
    stand.send()
    assert stand.worker.table.free == 1
    stand.run(second)
    stand.send()
    assert stand.worker.table.free == 2


def test_a_batch_is_written_until_the_broker_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    stand.give(1)
    failures = iter([NoBroker("there", "gone"), NoBroker("there", "gone"), None])
    genuine = stand.broker.publish

    def publish(entries: Any, done: Any) -> None:
        if (error := next(failures)) is not None:
            raise error
        genuine(entries, done)

    monkeypatch.setattr(stand.broker, "publish", publish)
    stand.run(stand.take())
    stand.send_patiently()
    [answer] = stand.said()
    assert isinstance(answer, TaskResult) and answer.events == 0
    assert stand.pending == 0 and len(stand.worker.table) == 0


def test_a_cancelled_async_node_is_cancelled_and_its_slot_is_freed() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def node(_state: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.set()
            raise

    stand = Stand(node)
    stand.worker.runner._loop = loop = LoopThread("test-loop")
    stand.give(1)
    [(execution, message)] = stand.take()
    assert stand.worker.runner.begin(execution, message) is None
    assert begun.wait(LIMIT_S)
    stand.cancel(execution.task)
    assert ended.wait(LIMIT_S)
    loop.submit(asyncio.sleep(0)).result(LIMIT_S)
    stand.send()
    assert stand.said() == [] and len(stand.worker.table) == 0
    loop.close()


def test_an_async_node_that_is_cancelled_before_it_begins_frees_its_slot() -> None:
    stand = Stand(_never)
    stand.worker.runner._loop = loop = LoopThread("test-loop")
    gate = threading.Event()
    loop.loop.call_soon_threadsafe(gate.wait, LIMIT_S)  # nothing begins
    stand.give(1)
    [(execution, message)] = stand.take()
    stand.worker.runner.begin(execution, message)
    stand.cancel(execution.task)
    gate.set()
    for _ in range(5):
        loop.submit(asyncio.sleep(0)).result(LIMIT_S)
    stand.send()
    assert len(stand.worker.table) == 0
    loop.close()


async def _never(_state: Any) -> Any:
    await asyncio.sleep(3600)


def test_large_values_of_two_graphs_of_one_run_are_two() -> None:
    stand = Stand(lambda state: {"out": state["n"]})
    for blob, value in (("of one", 1), ("of another", 2)):
        stand.broker.put_blobs([(0, blob, stand.codec.encode(value))])
        stand.give(value, cells={}, blobs={"n": blob})
    from drumline_protocol.codec import unbox

    assert [dict(unbox(answer.writes))["out"] for answer in stand.work()] == [1, 2]


def test_a_stopped_worker_tells_its_renewer_before_it_leaves() -> None:
    stand = Stand()
    said: list[str] = []

    class Recorder:
        def tell(self, _info: bytes) -> None:
            said.append("tell")

        def close(self) -> None:
            said.append("close")

    stand.worker._renewer = stand.worker.keeper._renewer = Recorder()
    leave = stand.broker.leave
    stand.broker.leave = lambda *a: (said.append("leave"), leave(*a))  # type: ignore[method-assign,assignment]
    idle = threading.Event()
    for verb in ("take", "read_ctl"):
        setattr(stand.broker, verb, lambda *_: idle.wait(0.01) or [])
    stand.worker._on_ready = stand.worker.stop
    stand.worker.run()
    assert said == ["tell", "close", "leave"]
