"""Protocol versions: a newer process writes what its cluster speaks, and reads what older ones wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import ProtocolTooNew
from drumline_protocol.messages import CancelRun


@dataclass(slots=True)
class CancelRunOfTomorrow:
    """`CancelRun` with a field that came with the next version."""

    run: str
    reason: str = ""
    token: str = field(default="", metadata={"since": wire.VERSION + 1})


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """This process is a newer drumline."""
    code = wire._BY_CLASS[CancelRun].code
    layout = wire._Layout(code, CancelRunOfTomorrow)
    with monkeypatch.context() as patch:
        patch.setattr(wire, "VERSION", wire.VERSION + 1)
        patch.setitem(wire._LAYOUTS, code, layout)
        patch.setitem(wire._BY_CLASS, CancelRunOfTomorrow, layout)
        yield patch


MESSAGE = CancelRunOfTomorrow("r1", "enough", "of tomorrow")


def test_a_newer_process_writes_what_its_cluster_speaks(tomorrow: Any) -> None:
    # Given a cluster that was made by today's drumline
    data = wire.encode(Codec(version=1), MESSAGE)
    # Then today's processes read what tomorrow's say
    tomorrow.undo()
    assert wire.decode(Codec(), data) == CancelRun("r1", "enough")


def test_when_the_operator_has_raised_it_the_new_field_travels(tomorrow: Any) -> None:
    data = wire.encode(Codec(version=2), MESSAGE)
    assert wire.decode(Codec(), data) == MESSAGE
    tomorrow.undo()
    with pytest.raises(ProtocolTooNew):
        wire.decode(Codec(), data)


@pytest.mark.usefixtures("tomorrow")
def test_a_newer_process_reads_what_older_ones_wrote() -> None:
    old = Codec(version=1).encode([1, [wire._BY_CLASS[CancelRun].code, "r1", "enough"]])
    assert wire.decode(Codec(), old) == CancelRunOfTomorrow("r1", "enough")


def test_a_codec_with_more_types_speaks_the_same_version() -> None:
    assert Codec(version=7).with_types([]).version == 7
