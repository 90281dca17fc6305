"""Event loops that nodes share: no node ends one, and one that ended keeps nobody waiting."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from tests.worker.stand import Stand

from drumline_worker import loop as module
from drumline_worker.loop import LoopThread, shared_loop

LIMIT_S = 20


async def answer() -> str:
    await asyncio.sleep(0)
    return "served"


@pytest.fixture
def thread() -> Any:
    made = LoopThread("test-loop")
    yield made
    made.close()


async def exits_in_a_task() -> None:
    async def leave() -> None:
        sys.exit(1)

    task = asyncio.create_task(leave())
    await asyncio.wait([task])
    task.exception()


async def exits_in_a_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 1)
    await asyncio.sleep(0.01)


async def interrupts() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    asyncio.get_running_loop().call_soon(interrupt)
    await asyncio.sleep(0.01)


async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("harm", [exits_in_a_task, exits_in_a_callback, interrupts, stops_the_loop])
def test_a_loop_goes_on(thread: LoopThread, harm: Any) -> None:
    waiting = thread.submit(asyncio.sleep(0.05, "slept"))
    thread.submit(harm()).result(LIMIT_S)
    assert thread.submit(answer()).result(LIMIT_S) == "served"
    assert waiting.result(LIMIT_S) == "slept"
    assert thread.is_alive


def kill(thread: LoopThread) -> None:
    """Close the loop in the moment in which it stands still."""

    def turn() -> None:
        raise OSError("the selector is gone")

    thread._turn = turn  # type: ignore[method-assign]
    thread.loop.call_soon_threadsafe(thread.loop.stop)
    thread._thread.join(LIMIT_S)


def test_who_waits_for_a_loop_that_dies_is_told() -> None:
    told: list[BaseException] = []
    thread = LoopThread("test-loop", on_death=told.append)
    waiting = thread.submit(asyncio.sleep(3600))
    kill(thread)
    with pytest.raises(RuntimeError, match="test-loop"):
        waiting.result(LIMIT_S)
    assert not thread.is_alive
    assert isinstance(told[0].__cause__, OSError)
    coroutine = answer()
    with pytest.raises(RuntimeError, match="has ended"):
        thread.submit(coroutine)


def test_a_shared_loop_that_died_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_shared", [])
    first = shared_loop()
    assert shared_loop() is first
    kill(first)
    second = shared_loop()
    assert second is not first
    assert second.submit(answer()).result(LIMIT_S) == "served"
    second.close()
    assert shared_loop() is not second


def test_a_worker_whose_loop_died_ends_with_that_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[LoopThread] = []

    def make(*args: Any, **options: Any) -> LoopThread:
        made.append(LoopThread(*args, **options))
        return made[-1]

    monkeypatch.setattr("drumline_worker.service.LoopThread", make)
    stand = Stand()
    ended: list[BaseException] = []
    ready = threading.Event()
    stand.worker._on_ready = ready.set

    def run() -> None:
        try:
            stand.worker.run()
        except BaseException as error:
            ended.append(error)

    monkeypatch.setattr(stand.broker, "take", lambda *_: ready.wait(0.01) and [])
    serving = threading.Thread(target=run, daemon=True)
    serving.start()
    assert ready.wait(LIMIT_S)
    kill(made[0])
    serving.join(LIMIT_S)
    assert not serving.is_alive()
    assert isinstance(ended[0], RuntimeError) and "drumline-nodes" in str(ended[0])


@pytest.mark.parametrize("part", ["runner.take", "sender.send", "keeper.renew", "ear.listen"])
def test_a_thread_that_cannot_go_on_ends_the_worker(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """No thread that serves ends in silence, whatever it meets."""
    stand = Stand()
    name, step = part.split(".")

    def fail(*_: Any) -> Any:
        raise SystemExit("whatever")

    monkeypatch.setattr(getattr(stand.worker, name), step, fail)
    monkeypatch.setattr(stand.worker._settings, "task_lease_ms", 100)
    if part == "sender.send":
        stand.give(1)
    idle = threading.Event()
    for verb in ("take", "read_ctl"):
        genuine = getattr(stand.broker, verb)
        monkeypatch.setattr(stand.broker, verb, lambda *a, genuine=genuine: genuine(*a) or idle.wait(0.01) or [])
    serving = threading.Thread(target=_expect_exit, args=(stand, ended := []), daemon=True)
    serving.start()
    serving.join(LIMIT_S)
    assert not serving.is_alive()
    assert [str(error) for error in ended] == ["whatever"]


def _expect_exit(stand: Stand, ended: list[BaseException]) -> None:
    try:
        stand.worker.run()
    except BaseException as error:
        ended.append(error)
