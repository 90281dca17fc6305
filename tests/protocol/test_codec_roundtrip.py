"""What goes through the codec comes back equal, with the same types: by hand and by property."""

from __future__ import annotations

import threading
from collections import deque
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from tests.protocol.samples import (
    CODEC,
    Bits,
    Color,
    Frozen,
    Level,
    Loose,
    Model,
    Pair,
    Point,
    Word,
    exactly,
    values,
)

from drumline_graph.types import Command, Interrupt, Overwrite, Send
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable, register, structure
from drumline_protocol.failure import Failure


def back(value: Any) -> Any:
    return CODEC.decode(CODEC.encode(value))


@settings(max_examples=300, deadline=None)
@given(values)
def test_what_goes_in_comes_out(value: Any) -> None:
    data = CODEC.encode(value)
    result = CODEC.decode(data)
    if _self_equal(value):
        assert exactly(value, result)
    assert CODEC.encode(result) == data


def _self_equal(value: Any) -> bool:
    """No NaN in a place where `==` decides (inside objects, sets and keys)."""
    return "nan" not in repr(value).lower()


@pytest.mark.parametrize(
    "value",
    [
        "\ud800 lone \udfff surrogates",
        {"\ud800": ["\udc00", ("\ud800",)]},
        float("inf"),
        float("nan"),
        -0.0,
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        2**8000,
        {2: "int", None: "none", True: 0, (1, (2,)): "tuple", frozenset({1}): "set"},
        {b"bytes": 1, 1.5: 2},
        {1, 2, 3},
        pytest.param(frozenset({"a", (1, 2)}), id="frozenset of a text and a tuple"),  # repr has no order
        set(),
        (),
        ((), [], {}, [()], ([],)),
        1 + 2j,
        complex(-0.0, float("inf")),
        Decimal("1.10"),
        Decimal("-0E+3"),
        Decimal("sNaN123"),
        Decimal("-Infinity"),
        UUID(int=5),
        date.min,
        datetime.max,
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1, seconds=3, microseconds=5))),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
        time(23, 59, 59, 999999, tzinfo=timezone.utc),
        time(1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
        timedelta.min,
        timedelta.max,
        timezone.utc,
        ZoneInfo("Asia/Tokyo"),
        deque([1, 2], maxlen=3),
        deque(),
        range(1, 2**70, 3),
        b"\x00\xff",
        Point(1, (2,), ["a"]),
        Frozen("n", {"a": Pair(1, [Color.RED])}),
        Pair(1),
        Color.RED,
        Color.BLUE,
        Level.LOW,
        Word.HI,
        Bits.A | Bits.B,
        Model(a=1),
        Model(a=1, d=Model(a=2, b=[1])),
        Loose(a=2, other="x"),  # type: ignore[call-arg]
        Send("node", {"a": (1,)}, timeout=3),
        Command(update={"a": 1}, goto=[Send("x", 1), "y"], resume=("r",)),
        Command(graph=Command.PARENT),
        Overwrite([1]),
        Interrupt("why?", "id-1"),
        Failure("ValueError", "no", [1], "tb", ["note"]),
    ],
    ids=lambda value: repr(value)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_examples_come_back_with_the_same_type(value: Any) -> None:
    assert exactly(value, back(value))


def test_fold_and_time_zone_names_survive() -> None:
    moment = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    result = back(moment)
    assert (result.fold, result.tzinfo.key) == (1, "Europe/Berlin")
    assert back(datetime(2024, 1, 1, tzinfo=timezone(timedelta(0), "X"))).tzname() == "X"


def test_init_and_validation_do_not_run_again() -> None:
    point = Point(1)
    point.x = "not an int"  # type: ignore[assignment]
    assert back(point).x == "not an int"
    model = Model(a=1)
    model.a = "no validation"  # type: ignore[assignment]
    assert back(model).a == "no validation"


def test_models_keep_what_was_set_extras_and_private_attributes() -> None:
    loose = Loose(other=(1, 2))  # type: ignore[call-arg]
    loose._secret = 9
    result = back(loose)
    assert result == loose
    assert result._secret == 9
    assert result.model_fields_set == {"other"}
    assert result.model_extra == {"other": (1, 2)}
    assert back(Loose(a=1)).model_fields_set == {"a"}
    assert back(Loose())._secret == 3
    assert back(Model(a=1)).model_fields_set == {"a"}
    assert list(back(Model(a=1, d=2)).model_dump()) == ["a", "b", "c", "d"]


def test_mutable_defaults_are_not_shared_between_results() -> None:
    data = CODEC.encode([Model(a=1), Model(a=2)])
    first, second = CODEC.decode(data)
    first.b.append(1)
    assert second.b == []
    assert CODEC.decode(data)[0].b == []


def test_equal_sets_have_equal_bytes() -> None:
    one, other = {"a", "b", "c", "i"}, {"i", "c", "b", "a"}
    assert CODEC.encode(one) == CODEC.encode(other)


def test_a_codec_may_be_shared_by_threads_and_used_inside_itself() -> None:
    class Nested:
        def __init__(self, value: Any) -> None:
            self.value = value

    register(
        Nested,
        tag="test:Nested",
        to_fields=lambda obj: CODEC.encode(obj.value),
        from_fields=lambda data: Nested(CODEC.decode(data)),
    )
    value = [("a", {"b": frozenset({1, 2})}), Nested((1, "x"))] * 20
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(50):
            result = back(value)
            if result[0] != value[0] or result[1].value != (1, "x"):
                wrong.append(result)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_wire_format_is_what_it_was() -> None:
    """Golden bytes: entries of a rolling deployment and of old logs must stay readable."""
    value = [1, "task", (True, None), {"n": 2**64}, {3}, Color.BLUE, Send("n", 1.5), Point(1, 2)]
    types = [structure(Color, "t:Color"), structure(Point, "t:Point")]
    codec = Codec(TypeTable(wire_type for wire_type in types if wire_type is not None))
    golden = (
        "9801a47461736bc7030192c3c081a16ec70904010000000000000000d5029103c70e2092a7743a436f6c6f72a4"
        "424c5545c72d2092ad6472756d6c696e653a53656e6483a46e6f6465a16ea3617267cb3ff8000000000000a774"
        "696d656f7574c0c7162092a7743a506f696e7483a17801a17902a47461677390"
    )
    assert codec.encode(value).hex() == golden
    assert codec.decode(bytes.fromhex(golden)) == value
