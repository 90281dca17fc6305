"""The closed table: registration, tags, other versions of a class, `Opaque` and `Boxed`."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, make_dataclass
from enum import Enum, Flag
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, create_model
from tests.protocol.samples import CODEC, Color, Frozen, Model, Pair, Point

from drumline_protocol.codec import Boxed, Codec, unbox
from drumline_protocol.codec_types import (
    Opaque,
    TypeTable,
    WireType,
    register,
    registered,
    structure,
    tag_of,
)
from drumline_protocol.errors import DecodeError

EMPTY = Codec()


def codec_for(tag: str, cls: type) -> Codec:
    """A codec that knows `cls`, and only it, under `tag`."""
    wire_type = structure(cls, tag)
    assert wire_type is not None
    return Codec(TypeTable([wire_type]))


# -- Opaque ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        Point(1, {"a": (1,)}),
        Frozen("n", Frozen("m")),
        Pair(1),
        Color.BLUE,
        Model(a=1, d={2, 3}),
        {"deep": [(Point(1), {Frozen("k"): Color.RED})]},
    ],
)
def test_a_reader_without_the_type_passes_it_on_unchanged(value: Any) -> None:
    data = CODEC.encode(value)
    opaque = EMPTY.decode(data)
    assert EMPTY.encode(opaque) == data
    assert CODEC.decode(EMPTY.encode(opaque)) == value


def test_opaque_shows_tag_and_fields() -> None:
    opaque = EMPTY.decode(CODEC.encode(Point(1, "y")))
    assert opaque.tag == "tests.protocol.samples:Point"
    assert opaque.fields == {"x": 1, "y": "y", "tags": []}
    assert repr(opaque).startswith("Opaque('tests.protocol.samples:Point', {'x': 1")
    assert len(repr(EMPTY.decode(CODEC.encode(Point(1, "y" * 10_000))))) < 300


def test_opaque_compares_by_its_bytes_and_can_be_a_key() -> None:
    one, other = (EMPTY.decode(CODEC.encode(Frozen("a"))) for _ in range(2))
    assert one == other
    assert one is not other
    assert len({one, other, EMPTY.decode(CODEC.encode(Frozen("b")))}) == 2
    assert EMPTY.decode(CODEC.encode({Frozen("a"): {Frozen("b")}})) == {one: {EMPTY.decode(CODEC.encode(Frozen("b")))}}
    assert one != Frozen("a")


def test_an_unknown_ext_code_of_a_newer_version_passes_too() -> None:
    data = bytes.fromhex("c7036401ff02")
    value = EMPTY.decode(data)
    assert isinstance(value, Opaque)
    assert (value.code, value.fields) == (100, b"\x01\xff\x02")
    assert EMPTY.encode(value) == data


# -- other versions of a class ---------------------------------------------------------------------


def test_fields_that_came_and_went() -> None:
    old = make_dataclass("Old", [("x", int), ("gone", int)])
    new = make_dataclass("New", [("x", int), ("tags", list, None)])
    data = codec_for("t:C", old).encode(old(1, 2))
    assert codec_for("t:C", new).decode(data) == new(1)


@pytest.mark.parametrize(
    "newer",
    [
        make_dataclass("C", [("x", int), ("needed", int)]),
        create_model("C", x=(int, ...), needed=(int, ...)),
        NamedTuple("C", [("x", int), ("needed", int)]),
        Enum("C", ["A"]),
    ],
)
def test_a_class_that_needs_more_gets_opaque(newer: type) -> None:
    older = make_dataclass("C", [("x", int)])
    value = codec_for("t:C", newer).decode(codec_for("t:C", older).encode(older(1)))
    assert isinstance(value, Opaque)
    assert value.fields == {"x": 1}


def test_model_fields_that_came_and_went() -> None:
    old = create_model("M", x=(int, ...), gone=(int, 1))
    new = create_model("M", x=(int, ...), rows=(list[int], []), free=(Any, None))
    value = codec_for("t:M", new).decode(codec_for("t:M", old).encode(old(x=1, gone=5)))
    assert value == new(x=1)
    assert value.model_fields_set == {"x"}


def test_an_enum_member_that_is_gone_is_opaque() -> None:
    old, new = Enum("E", ["A", "B"]), Enum("E", ["B"])
    data = codec_for("t:E", old).encode([old["A"], old["B"]])  # type: ignore[arg-type, index]
    gone, kept = codec_for("t:E", new).decode(data)  # type: ignore[arg-type]
    assert isinstance(gone, Opaque)
    assert kept is new["B"]  # type: ignore[index]


def test_flags_that_are_gone_are_opaque() -> None:
    old, new = Flag("F", ["A", "B", "C"]), Flag("F", ["A", "B"])
    data = codec_for("t:F", old).encode([old["A"] | old["C"], old["A"] | old["B"]])  # type: ignore[arg-type, index]
    gone, kept = codec_for("t:F", new).decode(data)  # type: ignore[arg-type]
    assert isinstance(gone, Opaque)
    assert kept == new["A"] | new["B"]  # type: ignore[index]


# -- tables ----------------------------------------------------------------------------------------


def test_a_table_is_not_changed_by_making_another() -> None:
    table = TypeTable()
    bigger = table.with_types([Point, Color])
    assert (len(table), len(bigger)) == (0, 2)
    assert bigger.with_types([Point, Frozen]).find_class(Frozen)
    assert len(bigger) == 2
    assert "tests.protocol.samples:Point" in repr(bigger)


def test_with_types_passes_over_what_needs_no_entry() -> None:
    junk = [int, list[int], Any, None, object, "Point", BaseModel, ValueError]
    codec = Codec(TypeTable().with_types([*junk, Point]))
    assert codec.decode(codec.encode(Point(1))) == Point(1)


def test_schema_types_of_langchain_keep_their_own_tags() -> None:
    from langchain_core.messages import AIMessage

    codec = Codec(TypeTable().with_types([AIMessage]))
    assert b"langchain:AIMessage" in codec.encode(AIMessage("x"))


def _twin(module: str) -> Any:
    """The class `State` as it comes out of one file under two module names."""

    @dataclass
    class State:
        x: int

    State.__module__, State.__qualname__ = module, "State"
    return State


def test_a_class_of_main_is_the_class_of_the_imported_file() -> None:
    script, imported = _twin("__main__"), _twin("app.graphs")
    there, here = (Codec(TypeTable().with_types([cls])) for cls in (script, imported))
    assert type(here.decode(there.encode(script(1)))) is imported
    assert type(there.decode(here.encode(imported(1)))) is script


def test_two_candidates_for_a_class_of_main_are_one_too_many() -> None:
    script, one, other = _twin("__main__"), _twin("app.a"), _twin("app.b")
    there = Codec(TypeTable().with_types([script]))
    here = Codec(TypeTable().with_types([one, other]))
    assert isinstance(here.decode(there.encode(script(1))), Opaque)
    assert type(here.decode(here.encode(other(1)))) is other
    strangers = Codec(TypeTable().with_types([one]))
    assert isinstance(strangers.decode(Codec(TypeTable().with_types([other])).encode(other(1))), Opaque)


# -- register --------------------------------------------------------------------------------------


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def test_registered_classes_cross() -> None:
    register(Money, tag="money", to_fields=lambda m: {"c": m.cents}, from_fields=lambda f: Money(f["c"]))
    # A codec that was made before, and one that is made later
    for codec in (EMPTY, Codec()):
        assert codec.decode(codec.encode([Money(5)]))[0].cents == 5
    assert EMPTY.decode(EMPTY.encode({"m": Money(2**70)}))["m"].cents == 2**70


def test_register_is_a_decorator_and_prefers_what_it_was_told() -> None:
    @register
    @dataclass
    class Local:
        x: int

    assert registered.find_tag(tag_of(Local)) is not None
    assert EMPTY.decode(EMPTY.encode(Local(1))) == Local(1)

    @dataclass
    class Both:
        x: int
        cache: Any = None

    register(Both, tag="both", to_fields=lambda b: b.x, from_fields=Both)
    codec = Codec(TypeTable().with_types([Both]))
    assert codec.decode(codec.encode(Both(1, open))) == Both(1)


def test_register_says_what_it_needs() -> None:
    class Plain:
        pass

    @dataclass
    class Other:
        x: int

    with pytest.raises(TypeError, match="to_fields= and from_fields="):
        register(Plain)
    with pytest.raises(TypeError, match="both to_fields and from_fields"):
        register(Plain, to_fields=vars)
    with pytest.raises(TypeError, match="takes a class"):
        register(5)  # type: ignore[call-overload, type-var]
    register(Other, tag="taken")
    with pytest.raises(ValueError, match="'taken' already belongs to"):
        register(Color, tag="taken")


def test_a_class_that_was_defined_again_takes_its_tag_over() -> None:
    first, second = _twin("notebook"), _twin("notebook")
    register(first)
    register(second)
    assert type(EMPTY.decode(EMPTY.encode(first(1)))) is second


def test_dataclasses_that_are_made_by_another_base_need_functions() -> None:
    @dataclass
    class Strange(dict):  # type: ignore[type-arg]
        x: int = 1

    with pytest.raises(TypeError, match="to_fields"):
        register(Strange)
    assert len(TypeTable().with_types([Strange])) == 0


def test_wire_types_are_found_by_exact_class() -> None:
    class Sub(Point):
        pass

    assert CODEC.wire_type(Sub) is None
    assert isinstance(CODEC.wire_type(Point), WireType)


# -- Boxed -----------------------------------------------------------------------------------------


def test_a_box_passes_through_without_being_decoded() -> None:
    # Given a value that only the two ends know
    box = CODEC.box({"p": Point(1), "n": [2**65]})
    # When it passes through a process that does not
    middle = EMPTY.decode(EMPTY.encode(["task", box]))
    assert type(middle[1]) is Boxed
    data = EMPTY.encode(["result", middle[1]])
    # Then it arrives as it left
    _, arrived = CODEC.decode(data)
    assert arrived == box
    assert arrived.data == box.data
    assert unbox(arrived) == {"p": Point(1), "n": [2**65]}


def test_a_box_decodes_once_and_apart_from_what_was_put_in() -> None:
    value = {"rows": [1]}
    box = CODEC.box(value)
    value["rows"].append(2)
    assert box.value == {"rows": [1]}
    assert box.value is box.value
    assert unbox(5) == 5
    assert repr(box) == f"Boxed({len(box.data)} bytes)"
    assert box == Boxed(box.data, EMPTY)
    assert len({box, Boxed(box.data, EMPTY)}) == 1
    assert box != box.data


def test_a_box_with_bad_bytes_fails_when_it_is_opened() -> None:
    _, box = CODEC.decode(CODEC.encode(["x", Boxed(b"\xc1", CODEC)]))
    with pytest.raises(DecodeError):
        _ = box.value


def test_boxes_in_boxes_do_not_count_as_nesting() -> None:
    value: Any = 1
    for _ in range(200):
        value = CODEC.box([value])
    for _ in range(200):
        value = unbox(value)[0]
    assert value == 1


# -- langchain-core is optional --------------------------------------------------------------------


def test_messages_are_opaque_where_langchain_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from langchain_core.messages import HumanMessage

    from drumline_protocol.codec_langchain import langchain_types

    data = EMPTY.encode([HumanMessage("hi", id="1")])
    monkeypatch.setitem(sys.modules, "langchain_core", types.ModuleType("langchain_core"))
    monkeypatch.delitem(sys.modules, "langchain_core.messages", raising=False)
    langchain_types.cache_clear()
    try:
        (value,) = EMPTY.decode(data)
        assert isinstance(value, Opaque)
        assert value.tag == "langchain:HumanMessage"
        assert value.fields["content"] == "hi"
        assert EMPTY.encode([value]) == data
    finally:
        langchain_types.cache_clear()
