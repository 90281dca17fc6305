"""A task that is suspected of killing its workers runs alone: step by step, on the double."""

from __future__ import annotations

from typing import Any

from tests.worker.stand import Stand

from drumline_protocol.messages import Refused, TaskResult
from drumline_worker.suspects import HOLD_LOOKS_MAX, WAIT_LOOKS_MAX


def tasks(taken: list[Any]) -> list[str]:
    return [message.task for _, message in taken]


def test_a_suspect_waits_until_nothing_else_runs_and_nothing_is_taken_meanwhile() -> None:
    stand = Stand()
    stand.give(1)
    stand.give(2, alone=True)
    stand.give(3)
    first = stand.take()
    assert [message.alone for _, message in first] == [False], "the suspect is in hand, and has not begun"
    assert stand.take() == [] and stand.pending == 2, "nothing is taken beside it"
    stand.run(first)
    stand.send()
    suspect = stand.take()
    assert [message.alone for _, message in suspect] == [True]
    assert stand.take() == [] and stand.pending == 1, "nothing is taken while it runs"
    stand.run(suspect)
    stand.send()
    assert stand.take() == []
    assert tasks(stand.take()) == [stand.message(3).task]


def test_a_second_suspect_of_one_take_goes_back() -> None:
    stand = Stand()
    stand.give(1, alone=True)
    stand.give(2, alone=True)
    assert stand.take() == []
    stand.send()
    [refused] = stand.said()
    assert isinstance(refused, Refused) and refused.task == stand.message(2).task and refused.token == "token 2"
    assert "must run alone" in refused.reason
    assert tasks(stand.take()) == [stand.message(1).task]


def test_a_suspect_does_not_wait_for_ever() -> None:
    """What runs here may wait for it: a node that called its graph."""
    stand = Stand()
    stand.give(1)
    stand.give(2, alone=True)
    stand.take()
    for _ in range(WAIT_LOOKS_MAX - 1):
        assert stand.take() == []
    assert tasks(stand.take()) == [stand.message(2).task]
    stand.give(3)
    for _ in range(HOLD_LOOKS_MAX):
        assert stand.take() == []
    assert tasks(stand.take()) == [stand.message(3).task], "nor does it keep others waiting for ever"


def test_a_suspect_whose_run_was_cancelled_is_not_begun() -> None:
    begun: list[Any] = []
    stand = Stand(begun.append)
    stand.give(1, alone=True)
    assert stand.take() == []
    suspect = stand.take()
    stand.cancel(stand.message(1).task)
    stand.run(suspect)
    assert len(suspect) == 1 and begun == [] and len(stand.worker.table) == 0
    stand.give(2)
    assert stand.take() == []
    stand.run(stand.take())
    assert [state["n"] for state in begun] == [2]


def test_with_one_slot_too() -> None:
    stand = Stand(concurrency=1)
    stand.give(1, alone=True)
    stand.give(2)
    for _ in range(8):
        stand.run(stand.take())
        stand.send()
    assert [type(answer) for answer in stand.said()] == [TaskResult, TaskResult]
