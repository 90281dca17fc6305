"""What a log entry says once: the input of a run on a thread."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError
from drumline_protocol.facts import InputTaken, PlanMade, PlannedTask, TaskFinished

CODEC = Codec()
SAID = {"role": "user", "content": "x" * 200}


def facts_of(said: Any, written: Any) -> list[Any]:
    """The first facts of a run whose input has `said`, and whose START writes `written`."""
    arg = [("messages", written), ("n", 1), ("branch:to:a", None)]
    task = PlannedTask("t", "__start__", ("__pregel_pull", "__start__"), ("__start__",), arg, True)
    return [
        InputTaken((), {"__start__": ("s", {"n": 1, "messages": said})}, (), 5.0),
        PlanMade((), 0, 25, [task], 5.0),
        TaskFinished((), "t", 1, "", [["messages", written], ["n", 1]], 5.0),
    ]


def read_back(facts: list[Any]) -> tuple[bytes, list[Any]]:
    data = wire.encode_facts(CODEC, facts)
    return data, wire.decode_facts(CODEC, data)


def test_an_input_lies_in_its_entry_once_and_is_read_in_all_its_places() -> None:
    facts, told = facts_of(SAID, SAID), repr(facts_of(SAID, SAID))
    data, found = read_back(facts)
    assert data.count(b"x" * 200) == 1
    assert repr(facts) == told, "the machine goes on with its facts"
    _, apart = read_back(facts_of(SAID, dict(SAID)))
    assert repr(found) == repr(apart)


def test_what_start_has_made_of_the_input_is_said_again() -> None:
    """Also if it is equal: an equal value need not be encoded alike."""
    data, found = read_back(facts_of(SAID, {**SAID, "more": True}))
    assert data.count(b"x" * 200) == 3
    assert found[2].writes[0] == ["messages", {**SAID, "more": True}]


@pytest.mark.parametrize(
    "places",
    [
        7,
        [1, 0, 0, 0],  # too few
        [1, 0, 0, 0, 9],  # no such key
        [1, 0, 9, 0, 1],  # no such write
        [1, 9, 0, 0, 1],  # no such task
        [9, 0, 0, 0, 1],  # no such fact
        [1, 0, 0, 2, 0],  # no input
        [0, 0, 0, 0, 1],  # an input is not made of another
        [2, 0, 0, -3, 1],
        [2, 0, 0, 0, "1"],
    ],
)
def test_places_that_are_none_are_refused(places: Any) -> None:
    rows = [wire.to_row(fact) for fact in facts_of(SAID, None)]
    data = CODEC.encode([wire.VERSION, rows, [], places])
    with pytest.raises(DecodeError):
        wire.decode_facts(CODEC, crc32(data).to_bytes(4, "big") + data)
