"""What comes out of `decode` has the shape that its annotations say, and nothing but our errors comes out besides."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from tests.protocol import messages as samples
from tests.protocol.annotations import well_formed
from tests.protocol.samples import CODEC

from drumline_graph.types import Command, Interrupt, Send
from drumline_protocol import facts as f
from drumline_protocol import wire
from drumline_protocol.codec import Boxed
from drumline_protocol.errors import DecodeError, ProtocolTooNew
from drumline_protocol.failure import Failure
from drumline_protocol.limits import NAME_CHARS_MAX
from drumline_protocol.wire_shapes import FIELDS

JUNK: list[Any] = [
    None, True, False, 0, 1, -1, -2, 2**53 + 1, -(2**63), 2**70, 1.5, float("nan"), float("inf"), "", "x", "\ud800",
    "x" * (NAME_CHARS_MAX + 1), b"", b"\x00", [], ["x"], [1], [None], [[]], [["a", 1]], [["a"]], [[1, 2]], [b"x"],
    ["\ud800"], [True], (), ("x",), {}, {"a": 1}, {1: "a"}, {(1,): 2}, {"": []}, {"a": ["s"]}, {"a": [1]}, {"a": []},
    {"a": {}}, set(), {"x"}, frozenset(), Boxed(b"\xc1", CODEC), Boxed(b"\xc0", CODEC), [Interrupt("v", "i")],
    Interrupt("v", "i"), Command(), Send("n", 1), Failure("E", "m"), Failure(5, "m"),  # type: ignore[arg-type]
    Failure("E", ["m"]), Failure("E", "m", None, 7), {"": [1, 2, 3, 4, 5]}, {"": ["g", "k", "k", {"a": [1]}, {}]},  # type: ignore[arg-type]
    {"": ["g", "k", "k", {"a": ["r", [], "p", [], []]}, {}]}, [["id", "a", [], [], None, False]],
    [["id", "a", ["p"], ["t"], None, 1]], [["id", "a", ["p"], "t", None, False]], [["", "a", ["p"], ["t"], None, True]],
]  # fmt: skip


def row_of(thing: Any) -> list[Any]:
    row: list[Any] = CODEC.decode(CODEC.encode(wire.to_row(thing)))
    return row


def decoded_or_none(data: bytes) -> Any:
    """What is in `data`; None if it was refused. Nothing but DecodeError may come out."""
    try:
        return wire.decode(CODEC, data)
    except DecodeError:
        return None


@pytest.mark.parametrize("thing", samples.EVERYTHING, ids=lambda thing: type(thing).__name__)
def test_what_is_written_comes_back(thing: Any) -> None:
    back = wire.decode(CODEC, wire.encode(CODEC, thing))
    assert well_formed(back)
    assert wire.encode(CODEC, back) == wire.encode(CODEC, thing)
    assert wire.from_row([*row_of(thing), "a field", "of a newer version"]) == back


@pytest.mark.parametrize("thing", samples.EVERYTHING, ids=lambda thing: type(thing).__name__)
def test_every_field_with_every_kind_of_junk(thing: Any) -> None:
    good = row_of(thing)
    refused = 0
    for index in range(1, len(good)):
        for junk in JUNK:
            data = CODEC.encode([1, [*good[:index], junk, *good[index + 1 :]]])
            back = decoded_or_none(data)
            refused += back is None
            assert back is None or well_formed(back), (index, junk)
    assert refused >= len(JUNK) / 2
    for cut in range(len(good)):
        back = decoded_or_none(CODEC.encode([1, good[:cut]]))
        assert back is None or well_formed(back)


def test_the_table_has_every_field_and_no_other() -> None:
    used = {name for layout in wire._LAYOUTS.values() for name in layout.names}
    for key in FIELDS:
        cls, name = key if isinstance(key, tuple) else (None, key)
        assert name in used
        assert cls is None or name in {x.name for x in dataclasses.fields(cls)}
    assert {type(thing) for thing in samples.EVERYTHING} == {layout.cls for layout in wire._LAYOUTS.values()}


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_envelopes_rows_and_items_of_junk(junk: Any) -> None:
    for data in (junk, [junk], [junk, junk], [1, junk], [1, [junk]], [1, [34, junk]], [2, junk]):
        encoded = CODEC.encode(data)
        for read in (wire.decode, wire.decode_facts):
            with pytest.raises((DecodeError, ProtocolTooNew)):
                read(CODEC, encoded)
    for kind in (junk, f.MESSAGE, f.NESTED, f.STREAMED):
        for item in ([kind, junk], [kind, junk, junk]):
            with pytest.raises(DecodeError):
                wire.decode_item(CODEC, CODEC.encode(item)) if not _may_be_item(item) else _raise()


def _may_be_item(item: list[Any]) -> bool:
    """Junk that happens to be an event."""
    kind, payload, header = item[0], item[1], item[2] if len(item) > 2 else None
    if type(kind) is not int:
        return False
    plain = header is None or (type(header) is dict and all(type(key) is str for key in header))
    return (kind == 0 and plain) or (kind == 1 and plain and header is not None and payload is None)


def _raise() -> None:
    raise DecodeError("not asked")


@pytest.mark.parametrize("item", samples.ITEMS, ids=lambda item: f"{item[0]}-{type(item[1]).__name__}")
def test_items_come_back(item: tuple[int, Any, Any]) -> None:
    kind, payload, header = wire.decode_item(CODEC, wire.encode_item(CODEC, *item))
    assert (kind, header) == (item[0], item[2])
    assert wire.encode_item(CODEC, kind, payload, header) == wire.encode_item(CODEC, *item)


READERS: list[tuple[Callable[[Any], Any], Any]] = [
    (wire.decode_writes, samples.WRITES),
    (wire.decode_interrupts, [Interrupt("sure?", "id")]),
    (wire.decode_command, Command(goto=["a", Send("b", 1)], update={"x": 1})),
]


@pytest.mark.parametrize(("read", "good"), READERS, ids=lambda each: getattr(each, "__name__", ""))
def test_values_that_are_read_later(read: Callable[[Any], Any], good: Any) -> None:
    box = CODEC.box(good)
    assert read(box) == good
    assert read(good) == good
    assert read(Boxed(box.data, CODEC)) == good
    for bad in (Boxed(b"\xc1", CODEC), Boxed(b"", CODEC), CODEC.box(7), CODEC.box(box), 7, None):
        with pytest.raises(DecodeError):
            read(bad)
    for junk in JUNK:
        if type(junk) is not type(good):
            with pytest.raises(DecodeError):
                read(CODEC.box(junk))


@pytest.mark.parametrize(
    ("read", "bad"),
    [
        (wire.decode_writes, [["a", 1], ["b"]]),
        (wire.decode_writes, [["a", 1, 2]]),
        (wire.decode_writes, [[1, 2]]),
        (wire.decode_writes, ["ab"]),
        (wire.decode_interrupts, [Interrupt("v", "i"), "v"]),
        (wire.decode_command, Command(goto=5)),  # type: ignore[arg-type]
        (wire.decode_command, Command(goto=["a", None])),  # type: ignore[list-item]
        (wire.decode_command, Command(goto=Send(5, 1))),  # type: ignore[arg-type]
    ],
)
def test_what_looks_nearly_like_it(read: Callable[[Any], Any], bad: Any) -> None:
    for value in (bad, CODEC.box(bad)):
        with pytest.raises(DecodeError, match="must be a"):
            read(value)
