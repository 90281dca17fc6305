"""What a called graph tells in mode `tasks` crosses wires: an input as itself, as its fields, or refused by name."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import STREAMED
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
