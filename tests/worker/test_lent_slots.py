"""What a worker takes while nodes of it wait: their slots are lent, to calls without a bound."""

from __future__ import annotations

import concurrent.futures
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from tests.worker.test_outbox import CODEC, execution_of

from drumline_worker import calling
from drumline_worker.calling import ASK_AGAIN_TURNS, MadeCalls, WorkerCalls, _Waiting
from drumline_worker.job import Job
from drumline_worker.outbox import Execution, Outbox
from drumline_worker.table import LENT_TIMES_MAX, Table


def table_of(size: int, running: int) -> tuple[Table, list[Execution]]:
    table = Table(size, Outbox(CODEC))
    executions = [execution_of(n) for n in range(running)]
    for execution in executions:
        table.add(execution)
    return table, executions


def test_a_caller_lends_its_slot_as_long_as_a_call_is_open() -> None:
    table, (execution,) = table_of(1, 1)
    assert (table.free, table.free_for_calls) == (0, 0)
    execution.calls_wait(True)
    execution.calls_wait(True)
    assert (table.free, table.free_for_calls, table.callers()) == (1, 1, [execution])
    execution.calls_wait(False)
    assert (table.free, table.free_for_calls, table.callers()) == (0, 0, [])


def test_slots_are_lent_to_nodes_up_to_a_bound_and_to_calls_without_one() -> None:
    many = LENT_TIMES_MAX + 5
    table, executions = table_of(1, many)
    for execution in executions:
        execution.calls_wait(True)
    assert table.free == 1 + LENT_TIMES_MAX - many < 0
    assert table.free_for_calls == 1


def test_who_waits_for_a_run_and_for_calls_lends_one_slot() -> None:
    table, (execution,) = table_of(1, 1)
    execution.waits(True)
    execution.calls_wait(True)
    assert (table.free, table.free_for_calls) == (1, 1)
    table.finish(execution)
    assert (table.free, table.free_for_calls, table.callers()) == (1, 1, [])


class Kept(Outbox):
    def __init__(self) -> None:
        super().__init__(CODEC)
        self.said: list[bytes] = []

    def say(self, _execution: Execution, message: bytes, _blobs: Any = ()) -> None:
        self.said.append(message)


class Future:
    def __init__(self) -> None:
        self.left = False

    def cancel(self) -> None:
        self.left = True


@pytest.fixture
def made() -> tuple[MadeCalls, Kept, Execution]:
    class Given:
        calls_from = 3

    job: Any = Given()
    assert hasattr(Job, "calls_from")
    outbox, execution = Kept(), execution_of()
    return MadeCalls(execution, job, outbox), outbox, execution


def test_a_call_that_waits_for_long_is_asked_for_again_and_ever_more_rarely(made: Any) -> None:
    calls, outbox, _ = made
    assert (calls.number(), calls.number()) == (3, 4)
    calls.send(3, _Waiting(Future(), b"call", []))
    asked = []
    for turn in range(1, 130):
        calls.ask_again()
        if len(outbox.said) > 1 + len(asked):
            asked.append(turn)
    assert asked == [ASK_AGAIN_TURNS, 8, 16, 32, 64, 96, 128]
    calls.abandon()
    calls.ask_again()
    assert len(outbox.said) == 1 + len(asked)


def test_nobody_waits_for_calls_of_an_execution_that_is_over(made: Any) -> None:
    calls, outbox, execution = made
    early, late = Future(), Future()
    calls.send(3, _Waiting(early, b"call", []))
    execution.cancelled = True
    calls.abandon()
    calls.send(4, _Waiting(late, b"call", []))
    assert early.left and late.left and outbox.said == [b"call"]


def test_the_end_of_a_call_and_the_next_one_are_told_in_their_order(made: Any) -> None:
    """The end is heard by the worker's thread, the next call made by the task's: the slot stays lent."""
    calls, outbox, execution = made
    told: list[bool] = []

    class Watching:
        def calls(self, _execution: Execution, begins: bool) -> None:
            if not begins:
                other.start()
                other.join(0.3)  # it is not through before this is told: then the wait ends in vain, as it should
            told.append(begins)

    calls.send(3, _Waiting(concurrent.futures.Future(), b"call", []))
    execution.table = Watching()
    other = threading.Thread(target=calls.send, args=(4, _Waiting(Future(), b"next", [])))
    calls.end(3, None, LookupError())
    other.join(10)
    assert told == [False, True] and outbox.said == [b"call", b"next"]


def test_threads_of_one_node_that_make_its_first_calls_number_them_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    class Slow(MadeCalls):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            with suppress(threading.BrokenBarrierError):  # the other one is not let in
                both.wait(0.3)

    class Given:
        calls_from = 0

    job: Any = Given()
    nothing: Any = None
    monkeypatch.setattr(calling, "MadeCalls", Slow)
    worker, execution = WorkerCalls(nothing, Kept(), nothing, nothing), execution_of()
    with ThreadPoolExecutor(2) as pool:
        one, other = (pool.submit(worker._made, execution, job) for _ in range(2))
        assert one.result(10) is other.result(10)
