"""What a value may hold in all: the same on both sides, known before anything is built."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack
import pytest
from langchain_core.messages import AIMessage
from tests.protocol.bombs import MANY, REFUSED, Many, array, equal_hashes, ext, mapping, rows
from tests.protocol.samples import CODEC, Frozen

from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.codec_builtin import LOADERS, NESTED, SLOW, TAGGED, WEIGHTS
from drumline_protocol.codec_count import check_size, may_exceed
from drumline_protocol.codec_derived import derived_loaders
from drumline_protocol.errors import DecodeError, EncodeError
from drumline_protocol.limits import (
    CONTAINER_ITEMS_MAX,
    EQUAL_HASHES_MAX,
    VALUE_ITEMS_MAX,
    VALUE_TYPED_MAX,
)

LIGHT = [name for name in MANY if len(MANY[name].item) * MANY[name].most() < 2**26]


def count_exactly(many: Many) -> None:
    """ValueError unless as many as pass do, and one more does not."""
    check_size(rows(many.item, many.most()), NESTED, WEIGHTS)
    with pytest.raises(ValueError, match="all levels together"):
        check_size(rows(many.item, many.most() + 3), NESTED, WEIGHTS)


@pytest.mark.parametrize("name", LIGHT)
def test_as_many_pass_as_the_bounds_say_and_no_more(name: str) -> None:
    count_exactly(MANY[name])


@pytest.fixture
def unbuilding(monkeypatch: pytest.MonkeyPatch) -> Codec:
    """A codec that may refuse large data, but not begin to read them."""
    codec = Codec()
    reader = lambda _data: pytest.fail("it began to build")  # noqa: E731
    monkeypatch.setattr(codec, "_unpack_counted", (reader, reader))
    return codec


@pytest.mark.parametrize("name", [name for name in LIGHT if MANY[name].most() < MANY[name].in_an_entry()])
def test_an_entry_full_of_small_things_is_refused_before_anything_is_built(name: str, unbuilding: Codec) -> None:
    many = MANY[name]
    with pytest.raises(DecodeError, match="all levels together"):
        unbuilding.decode(rows(many.item, many.in_an_entry()))


@pytest.mark.parametrize("name", [name for name in REFUSED if "equal" not in name and "60 KB" not in name])
def test_other_large_bombs_are_refused_before_anything_is_built(name: str, unbuilding: Codec) -> None:
    with pytest.raises(DecodeError):
        unbuilding.decode(REFUSED[name]())


@pytest.mark.parametrize("name", [name for name in REFUSED if "equal" in name or "60 KB" in name])
def test_small_bombs_claim_little(name: str) -> None:
    data = REFUSED[name]()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            CODEC.decode(data)
        # the objects that equal hashes need to be seen with; less than a megabyte for counts that are forged
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data) + 2**19
    finally:
        tracemalloc.stop()


def test_the_longest_lists_and_dicts_pass() -> None:
    assert CODEC.decode(rows(b"\xc0", VALUE_ITEMS_MAX - 3)) == [[None] * CONTAINER_ITEMS_MAX, [None] * (2**20 - 3)]
    whole = {n: n for n in range(CONTAINER_ITEMS_MAX - 1)}
    assert CODEC.decode(CODEC.encode(whole)) == whole
    with pytest.raises(DecodeError, match="more than 2097152 items"):
        CODEC.decode(rows(b"\xc0", VALUE_ITEMS_MAX - 2))


NUMBERS = [1, -5, 1.5, 2**40, -(2**33), 300, 70_000, True, None, "ab", 200]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_numbers_of_one_kind_are_counted_at_once_and_rightly(number: Any) -> None:
    item = msgpack.packb(number)
    count_exactly(Many(item, 1, 0))
    # One of another kind among them, which stands for many
    odd = rows(item, 1000)[5:] + array(1_000_000) + b"\x90" * 1_000_000
    check_size(array(2) + odd, NESTED, WEIGHTS)
    within = array(1000) + item * 400 + array(1_048_576) + b"\xc0" * 1_048_576 + item * 598 + b"\xa1x"
    check_size(within, NESTED, WEIGHTS)
    with pytest.raises(ValueError, match="all levels together"):
        check_size(array(2) + within + array(1_048_576) + b"\xc0" * 1_048_576, NESTED, WEIGHTS)


def test_what_can_be_written_can_be_read() -> None:
    for many in (list, tuple, set, Frozen):
        value: Any = [many() for _ in range(VALUE_TYPED_MAX + 1)] if many is not Frozen else None  # type: ignore[call-arg]
        if value is None:
            value = [Frozen("", None) for _ in range(VALUE_TYPED_MAX // 2 + 1)]
        if many is list:
            assert CODEC.decode(CODEC.encode(value)) == value
            continue
        with pytest.raises(EncodeError, match=r"cannot encode update\['x'\] .*262144 typed values"):
            CODEC.encode(value, "update['x']")
        value.pop()
        assert CODEC.decode(CODEC.encode(value)) == value
    with pytest.raises(EncodeError, match="more than 2097152 items"):
        CODEC.encode([[None] * 1_000_000] * 3)


def test_every_typed_level_is_counted() -> None:
    assert {code for code in LOADERS if code in NESTED} | {TAGGED, SLOW, *derived_loaders(Boxed)} == NESTED
    inside = array(700_000) + b"\x90" * 700_000
    for code in NESTED:
        with pytest.raises(ValueError, match="more than 2097152 items"):
            check_size(array(3) + ext(code, inside) * 3, NESTED, WEIGHTS)
    boxes = array(3) + ext(33, inside) * 3
    assert [len(box.data) for box in CODEC.decode(boxes)] == [len(inside)] * 3


def test_keys_of_equal_hashes() -> None:
    keys = equal_hashes(EQUAL_HASHES_MAX + 2)
    count = len(keys)
    for few in (keys[1:], keys[:-1]):
        assert len(CODEC.decode(mapping(len(few)) + b"".join(key + b"\xc0" for key in few))) == len(few)
        assert len(CODEC.decode(ext(2, array(len(few)) + b"".join(few)))) == len(few)
    for data in (
        mapping(count) + b"".join(key + b"\xc0" for key in keys),
        ext(2, array(count) + b"".join(keys)),
        ext(3, array(count) + b"".join(keys)),
        array(2000) + b"\xc0" * 1999 + mapping(count) + b"".join(key + b"\xc0" for key in keys),
        ext(1, b"\x91" + mapping(count) + b"".join(key + b"\xc0" for key in keys)),
        ext(1, b"\x91" + ext(1, b"\x91" + ext(1, b"\x91" + ext(1, b"\x91" + ext(2, array(count) + b"".join(keys)))))),
    ):
        with pytest.raises(DecodeError, match="the hash of another one"):
            CODEC.decode(data)
    with pytest.raises(EncodeError, match="the hash of another one"):
        CODEC.encode({n * (2**61 - 1) for n in range(count + 1)})


def test_pairs_and_other_ordinary_keys_are_not_meant() -> None:
    for keys in (
        [(a, b) for a in range(100) for b in range(100)],
        [frozenset({a, a + b}) for a in range(100) for b in range(1, 100)],
        [float(n) / 7 for n in range(10_000)],
        [2**64 + n for n in range(10_000)],
        [Frozen(str(n)) for n in range(3000)],
    ):
        assert CODEC.decode(CODEC.encode(dict.fromkeys(keys))) == dict.fromkeys(keys)
        assert CODEC.decode(CODEC.encode(set(keys))) == set(keys)


@pytest.mark.parametrize("name", LIGHT)
def test_whatever_exceeds_the_bounds_is_counted(name: str) -> None:
    many = MANY[name]
    assert may_exceed(rows(many.item, many.most() + 3))
    assert may_exceed(array(CONTAINER_ITEMS_MAX + 1) + b"\xc0" * (CONTAINER_ITEMS_MAX + 1))
    assert may_exceed(mapping(CONTAINER_ITEMS_MAX + 1) + b"\xc0" * (CONTAINER_ITEMS_MAX + 1))


def test_ordinary_values_of_a_megabyte_are_not_counted() -> None:
    messages = CODEC.encode([AIMessage("hello world " * 30, id=str(n)) for n in range(2500)])
    assert len(messages) > 900_000
    assert not may_exceed(messages)
    assert not may_exceed(CODEC.encode({"text": "x" * 2_000_000}))


@pytest.mark.parametrize("cut", [1, 5, 9, 100, 50_000])
def test_counting_stops_where_the_bytes_do(cut: int) -> None:
    data = CODEC.encode([{"a": [1, 2.5], "b": ("x" * 300, {1})}] * 50_000)
    for broken in (data[:-cut], data[cut:], data[:cut] + b"\xc1" + data[cut:], data + b"\xc0"):
        with pytest.raises(DecodeError):
            CODEC.decode(broken)


def test_zones_that_are_not_there_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(CODEC.decode(ext(12, msgpack.packb("Europe/Berlin")))) == "Europe/Berlin"
    monkeypatch.setattr("zoneinfo.ZoneInfo", lambda name: pytest.fail(f"looked for {name}"))
    for n in range(100):
        assert CODEC.decode(ext(12, msgpack.packb(f"No/where{n}"))).fields == f"No/where{n}"
