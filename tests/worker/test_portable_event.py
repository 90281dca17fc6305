"""What a called graph tells crosses wires: inputs as themselves, as their fields, or refused by name; steps as data."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from drumline_graph.channels.base import MISSING
from drumline_graph.delta import GONE, SET
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import NESTED, STREAMED, StepCommitted
from drumline_worker.job import portable_event


class Plain:
    def __init__(self) -> None:
        self.city = "sf"


@dataclass(slots=True)
class Slotted:
    city: str


def crossed(given: Any) -> Any:
    """The input of a started task as a reader of the stream gets it."""
    codec = Codec()
    _, _, item = portable_event(STREAMED, ((), "tasks", {"id": "t", "input": given}), codec)
    return codec.decode(codec.encode(item))["input"]


@pytest.mark.parametrize("given", [Plain(), Slotted("sf"), {"city": "sf"}])
def test_an_object_of_an_unknown_class_is_its_fields(given: Any) -> None:
    assert crossed(given) == {"city": "sf"}


def test_a_value_without_fields_is_refused_with_its_place_and_type() -> None:
    with pytest.raises(EncodeError, match=r"(?s)input.*lock.*"):
        crossed({"city": "sf", "guard": threading.Lock()})


def test_a_step_of_a_called_graph_tells_its_changes_as_data() -> None:
    """Inside a process it tells of the new cells alone, which no wire carries."""
    step = StepCommitted((), 1, {}, ("n",), 0.0, {}, {"n": 2, "gone": MISSING})
    told = portable_event(NESTED, step, Codec())
    assert told.changes == {"n": (SET, 2), "gone": (GONE,)}
    assert told.cells is None and step.changes == {}, "whoever is in this process keeps what it was told"
