"""Classes of one name: each graph gets its own, and where nobody can tell them apart nobody guesses."""

from __future__ import annotations

import copy
import dataclasses
import enum
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model
from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.constants import START
from drumline_graph.program import Program
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import Opaque, TypeTable, register, registered, tag_of
from drumline_protocol.errors import EncodeError
from drumline_protocol.graph_codecs import GraphCodecs, table_of


def graph_of(*annotations: Any) -> Program:
    fields = {f"k{index}": annotation for index, annotation in enumerate(annotations)}
    state = TypedDict("State", fields, total=False)  # type: ignore[misc, operator]
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    return graph.add_node("n", lambda _state: None).add_edge(START, "n").compile()  # type: ignore[no-any-return]


def make_item(kind: type = int) -> Any:
    """The class of one call: `make_item.<locals>.Item`, as of any other call."""

    @dataclasses.dataclass
    class Item:
        x: Any = 0

    Item.__annotations__["x"] = kind
    return Item


@dataclasses.dataclass
class Known:
    x: int


class Base(BaseModel):
    x: int = 0


class Sub(Base):
    y: int = 0


def test_graphs_whose_classes_have_different_names_share_one_codec() -> None:
    codecs = GraphCodecs({"a": graph_of(Known), "b": graph_of(make_item())}, 1)
    assert codecs.of("a") is codecs.of("b") is codecs.general
    assert not codecs.apart
    assert codecs.of("of another cluster") is codecs.general


@pytest.mark.parametrize("kinds", [(int, int), (int, str)], ids=["same fields", "other fields"])
def test_each_graph_gets_its_own_of_two_classes_of_one_name(kinds: tuple[type, type]) -> None:
    one, other = (make_item(kind) for kind in kinds)
    assert tag_of(one) == tag_of(other)
    programs = {"a": graph_of(one, Known), "b": graph_of(other, Known), "c": graph_of(Known)}
    for order in (["a", "b", "c"], ["c", "b", "a"]):
        codecs = GraphCodecs({name: programs[name] for name in order}, 1)
        assert codecs.apart
        for name, cls in (("a", one), ("b", other)):
            codec = codecs.of(name)
            assert type(codec.decode(codec.encode(cls(1)))) is cls
            assert type(codec.decode(codec.encode(Known(1)))) is Known
            # as a client writes and reads that holds the one graph alone
            client = Codec(table_of(programs[name]))
            assert type(codec.decode(client.encode(cls(1)))) is cls
            assert type(client.decode(codec.encode(cls(1)))) is cls
        # where it is not known whose it is, it is nobody's
        assert type(codecs.general.decode(codecs.of("a").encode(one(1)))) is Opaque
        assert codecs.of("c") is codecs.general


def test_a_graph_without_them_still_writes_classes_that_their_fields_tell_apart() -> None:
    one, other = make_item(int), make_item(str)
    codecs = GraphCodecs({"a": graph_of(one), "b": graph_of(other), "c": graph_of(Known)}, 1)
    for name, cls in (("a", one), ("b", other)):
        crossed = codecs.of(name).decode(codecs.of("c").encode(cls(1)))
        assert type(crossed) is cls


def test_classes_of_one_name_in_one_graph_have_tags_of_their_own() -> None:
    one, other = create_model("Answer", x=(int, ...)), create_model("Answer", y=(str, ...))
    program = graph_of(one, other)
    writer, reader = Codec(table_of(program)), Codec(table_of(graph_of(other, one)))
    for codec in (writer, reader):
        a, b = codec.decode(writer.encode([one(x=1), other(y="z")]))
        assert (type(a), type(b)) == (one, other)
    # A reader that was given one of them reads that one, and never takes the other for it
    for cls, value in ((one, one(x=1)), (other, other(y="z"))):
        knowing = Codec(TypeTable().with_types([cls]))
        a, b = knowing.decode(writer.encode([one(x=1), other(y="z")]))
        assert {type(a), type(b)} == {cls, Opaque}
        assert value in (a, b)
    # What was written under the bare name may be either
    assert type(writer.decode(Codec(TypeTable().with_types([one])).encode(one(x=1)))) is Opaque


def test_twins_in_one_graph_come_back_as_themselves() -> None:
    one, other = make_item(), make_item()
    codec = Codec(table_of(graph_of(one, other)))
    a, b = codec.decode(codec.encode([one(1), other(2)]))
    assert (type(a), type(b)) == (one, other)


def test_enums_and_named_tuples_of_one_name_are_told_apart() -> None:
    one, other = enum.Enum("Kind", ["A"]), enum.Enum("Kind", ["A", "B"])
    codec = Codec(table_of(graph_of(one, other)))
    assert codec.decode(codec.encode([one["A"], other["A"]])) == [one["A"], other["A"]]  # type: ignore[index]


def test_a_registered_class_of_another_graph_does_not_take_a_name_over() -> None:
    def registers() -> Any:
        @register
        @dataclasses.dataclass
        class Noted:
            x: int

        return Noted

    first, second = registers(), registers()
    assert registered.find_tag(tag_of(first)).cls is second  # type: ignore[union-attr]
    codecs = GraphCodecs({"a": graph_of(first), "b": graph_of(second)}, 1)
    for name, cls in (("a", first), ("b", second)):
        codec = codecs.of(name)
        assert type(codec.decode(codec.encode(cls(1)))) is cls


def test_what_a_class_was_registered_with_still_counts() -> None:
    @dataclasses.dataclass
    class Account:
        x: int
        handle: Any = None

    register(Account, to_fields=lambda a: a.x, from_fields=Account)
    codec = Codec(table_of(graph_of(Account)))
    assert codec.decode(codec.encode(Account(1, open))) == Account(1)


def test_a_client_given_a_class_of_that_name_reads_the_graphs_own() -> None:
    mine, graphs = make_item(), make_item()
    table = table_of(graph_of(graphs), TypeTable().with_types([mine]))
    codec = Codec(table)
    assert type(codec.decode(codec.encode(graphs(1)))) is graphs


# -- classes that are meant ------------------------------------------------------------------------


def test_subclasses_of_a_named_class_cross() -> None:
    program = graph_of(list[Base])
    for codec in (Codec(table_of(program)), GraphCodecs({"a": program}, 1).general):
        value = codec.decode(codec.encode([Base(x=1), Sub(x=1, y=2)]))
        assert [type(each) for each in value] == [Base, Sub]
        assert value == [Base(x=1), Sub(x=1, y=2)]
        # on a reader that has not met one yet
        assert type(Codec(table_of(program)).decode(codec.encode(Sub(y=1)))) is Sub


def test_parametrised_models_that_are_made_later_cross() -> None:
    from typing import Generic, TypeVar

    T = TypeVar("T")

    class Box(BaseModel, Generic[T]):
        item: T

    program = graph_of(Box)
    codec, reader = Codec(table_of(program)), Codec(table_of(program))
    made = Box[int](item=1)
    crossed = reader.decode(codec.encode(made))
    assert type(crossed) is Box[int]
    assert crossed == made


def test_a_subclass_that_this_process_lacks_is_opaque() -> None:
    def gone() -> bytes:
        late = create_model("Late", __base__=Base, z=(int, 1))
        data = Codec(table_of(graph_of(Base))).encode(late())
        return data.replace(b"Late", b"Lost")

    value = Codec(table_of(graph_of(Base))).decode(gone())
    assert isinstance(value, Opaque)


def test_classes_that_nobody_names_are_refused_with_a_remedy() -> None:
    codec = Codec(table_of(graph_of(Base)))
    with pytest.raises(EncodeError, match=r"value\['k'\] of type .*Known: .*schema.*register"):
        codec.encode({"k": Known(1)})


def test_attrs_classes_cross() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Slotted:
        x: int
        items: list[Any] = attrs.field(factory=list)
        note: str = "none"

    @attrs.frozen
    class Frozen:
        x: int
        private: int = attrs.field(default=1, alias="private")

    codec = Codec(TypeTable().with_types([Slotted, Frozen]))
    for value in (Slotted(1, [Frozen(2)], "n"), Frozen(3, 4)):  # type: ignore[call-arg]
        assert codec.decode(codec.encode(value)) == value
    older = attrs.make_class("Slotted", ["x"])
    older.__module__, older.__qualname__ = Slotted.__module__, Slotted.__qualname__
    assert codec.decode(Codec(TypeTable().with_types([older])).encode(older(1))) == Slotted(1)  # type: ignore[call-arg]
    missing = attrs.make_class("Slotted", ["note"])
    missing.__module__, missing.__qualname__ = Slotted.__module__, Slotted.__qualname__
    assert isinstance(codec.decode(Codec(TypeTable().with_types([missing])).encode(missing("n"))), Opaque)


# -- what a reader without the class is told -------------------------------------------------------


def test_code_that_takes_an_opaque_for_the_object_is_told_what_to_do() -> None:
    opaque = Codec().decode(Codec(TypeTable().with_types([Known])).encode(Known(5)))
    with pytest.raises(
        AttributeError, match=r"class 'tests.protocol.test_graph_codecs:Known' is not known.*types="
    ) as told:
        _ = opaque.x
    assert ".fields['x']" in str(told.value)
    with pytest.raises(TypeError, match=r"Known' is not known"):
        opaque["x"]
    assert not hasattr(opaque, "x")
    assert not hasattr(opaque, "__array__")
    assert copy.deepcopy(opaque) == pickle.loads(pickle.dumps(opaque)) == opaque


@given(st.lists(st.sampled_from([(int, "x"), (str, "x"), (int, "y"), (list, "z")]), min_size=1, max_size=5))
def test_whatever_shares_a_name_comes_back_as_itself(shapes: list[tuple[type, str]]) -> None:
    classes = [create_model("Same", **{name: (kind, kind())}) for kind, name in shapes]  # type: ignore[call-overload]
    codec = Codec(table_of(graph_of(*classes)))
    values = [cls() for cls in classes]
    assert [type(value) for value in codec.decode(codec.encode(values))] == classes
