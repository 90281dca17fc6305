"""Rows of a thread's history: what is packed comes back, and nothing but DecodeError comes of damaged bytes."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from drumline_graph.types import Send
from drumline_protocol import wire
from drumline_protocol.checkpoints import Checkpoint, HeldAt, TaskWrites
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError, ProtocolTooNew
from drumline_protocol.facts import PlannedTask
from drumline_protocol.ids import task_id
from drumline_protocol.thread_rows import row_data, save_in

CODEC = Codec()
ID, PARENT = "1f1ea51a-64f2-6da9-a710-080d24701b5c", "1f1ea51a-64f2-6da8-bdf3-c2e9e37de9ca"
OWN = task_id(ID, ("sub:1",), 8, "~__pregel_pull, a")
CHECKPOINT = Checkpoint(
    ID, "sub:1", PARENT, "loop", 7, 4.5, {"text": "x", "__pregel_tasks": [Send("b", 1)]}, {"text": 3, "docs": 2},
    {"a": {"text": 2}, "b": {}}, ("text", "docs"),
    [
        PlannedTask(OWN, "a", ("__pregel_pull", "a"), ("text",), None, False),
        PlannedTask("another", "b", ("__pregel_push", 0, False), (), [1], True),
    ],
    {"": "c0"}, {"user": "u"}, "6da67965d268a5ca44e3d3814780c6b6", {"docs": [3, 1, 2, 300, 400]},
    (HeldAt(0, 3, 1, -1),),
)  # fmt: skip
WRITES = TaskWrites(
    "", ID, OWN, [("text", "x"), ("docs", None)], ("__pregel_push", ("__pregel_pull", "a"), 1), (HeldAt(1, 3, 0, 2),)
)
SAVES: dict[str, Any] = {
    "a checkpoint": CHECKPOINT,
    "ids that are no UUIDs": replace(CHECKPOINT, id="c1", parent="", fingerprint="fp", source="of a newer one"),
    "UUIDs in capitals": replace(CHECKPOINT, id=ID.upper(), fingerprint="6DA6", updated=None),
    "an empty one": Checkpoint(ID, "", "", "input", -1, 0.0, {}, {}, {}),
    "writes": WRITES,
    "writes from outside": TaskWrites("", "c1", "t", [], ()),
}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
def test_what_is_packed_comes_back(save: Any) -> None:
    found = save_in(CODEC, row_data(CODEC, save))
    assert wire.encode(CODEC, found) == wire.encode(CODEC, save)
    assert save_in(CODEC, wire.encode(CODEC, save)) == found


def test_values_that_are_kept_elsewhere_are_left_out() -> None:
    save = replace(CHECKPOINT, cells={**CHECKPOINT.cells, "docs": ["x" * 500]})
    data = row_data(CODEC, save)
    assert "docs" in save.cells and b"xxx" not in data
    assert save_in(CODEC, data).cells == CHECKPOINT.cells  # type: ignore[union-attr]


def test_packing_pays() -> None:
    assert len(row_data(CODEC, CHECKPOINT)) < 0.7 * len(wire.encode(CODEC, CHECKPOINT))


def test_damaged_rows_are_refused() -> None:
    """Any byte may be another one, and any part of another type: a row comes of that, or it is refused."""
    rng = random.Random(7)
    for save in SAVES.values():
        data = row_data(CODEC, save)
        for _ in range(400):
            at = rng.randrange(len(data))
            _decoded_or_refused(data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :])
        version, row = CODEC.decode(data)
        for at in range(len(row)):
            for junk in (None, 7, -1, "x", b"x", [], [1], [[1]], {"a": 1}, 2.5, [["a"], ["b"]]):
                _decoded_or_refused(CODEC.encode([version, [*row[:at], junk, *row[at + 1 :]]]))
            _decoded_or_refused(CODEC.encode([version, row[:at]]))
    with pytest.raises(DecodeError):
        save_in(CODEC, CODEC.encode([1, ["w"]]))


def _decoded_or_refused(data: bytes) -> None:
    with suppress(DecodeError, ProtocolTooNew):
        save_in(CODEC, data)
