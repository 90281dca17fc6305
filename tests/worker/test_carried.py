"""Checkpoints of called graphs on a worker: what goes back with a task's answer, and what is found of it."""

from __future__ import annotations

from typing import Any

import pytest

from drumline_protocol.checkpoints import Checkpoint, Save, TaskWrites
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.limits import CARRIED_BYTES_MAX
from drumline_protocol.thread_rows import save_in
from drumline_worker.carried import CarriedThread

CODEC = Codec()
CALLED, ONE = "caller:t", "caller"
THIRD = CARRIED_BYTES_MAX // 3


def checkpoint(ns: str, id_: str, value: Any = "") -> Checkpoint:
    return Checkpoint(id_, ns, "", "loop", 1, 1.0, {"x": value}, {"x": 1}, {})


def told(rows: list[bytes]) -> list[tuple[str, str]]:
    """The namespaces and checkpoints of rows."""
    saves = [save_in(CODEC, row) for row in rows]
    return [(save.ns, save.id if isinstance(save, Checkpoint) else f"behind {save.checkpoint}") for save in saves]


def store(*saves: Save, came: list[bytes] | None = None) -> CarriedThread:
    made = CarriedThread(CODEC, came or [])
    for save in saves:
        made.save("1", [save])
    return made


def test_all_that_was_added_goes_back_in_order_and_comes_with_the_task_again() -> None:
    asked = TaskWrites(CALLED, "2", "task", [("__interrupt__", ["?"])])
    rows = store(checkpoint(CALLED, "1"), checkpoint(CALLED, "2", "two"), asked).rows()
    assert told(rows) == [(CALLED, "1"), (CALLED, "2"), (CALLED, "behind 2")]
    again = store(checkpoint(CALLED, "3"), came=rows)
    assert told(again.rows()) == [(CALLED, "3")]
    found = again.get("1", CALLED, "2")
    assert found is not None and found.checkpoint.cells == {"x": "two"} and found.pending and not found.is_head
    assert [each.checkpoint.id for each in again.history("1", CALLED, before="3")] == ["2", "1"]
    assert [each.checkpoint.id for each in again.history("1", CALLED, limit=1)] == ["3"]
    assert again.get("1", "caller:other") is None


@pytest.mark.parametrize("ended", [False, True])
def test_more_than_the_bound_leaves_the_newest_ones(ended: bool) -> None:
    made = store(*(checkpoint(CALLED, str(number), "x" * THIRD) for number in range(4)), checkpoint(ONE, "9"))
    assert told(made.rows(ended=ended)) == [(CALLED, "3"), (ONE, "9")]


def test_a_state_over_the_bound_is_refused_if_it_must_go_back() -> None:
    large = "x" * (CARRIED_BYTES_MAX + 1)
    called = store(checkpoint(CALLED, "1", large), checkpoint(ONE, "2"))
    with pytest.raises(EncodeError, match="Make a graph that asks a node of its caller"):
        called.rows()
    assert told(called.rows(ended=True)) == [(ONE, "2")]
    with pytest.raises(EncodeError, match="Make a graph"):
        store(checkpoint(ONE, "1", large)).rows(ended=True)


def test_what_came_counts_for_the_bound_too() -> None:
    came = [row for n in range(2) for row in store(checkpoint(f"{CALLED}|{n}", "1", "x" * THIRD)).rows()]
    with pytest.raises(EncodeError, match="the limit is"):
        store(checkpoint(f"{CALLED}|2", "1", "x" * THIRD), came=came).rows()


def test_what_cannot_be_encoded_is_told_only_if_it_must_go_back() -> None:
    made = store(checkpoint(CALLED, "1", object()), checkpoint(CALLED, "2", "fine"))
    assert told(made.rows()) == [(CALLED, "2")]
    made.save("1", [checkpoint(CALLED, "3", object())])
    with pytest.raises(EncodeError):
        made.rows()
    assert made.rows(ended=True) == []
    made.save("1", [checkpoint(ONE, "4", object())])
    with pytest.raises(EncodeError):
        made.rows(ended=True)
