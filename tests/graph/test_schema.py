"""Which channels a schema declares, compared with LangGraph's; and how instances are read."""

# ruff: noqa: ARG005, UP013 (made at run time)

from __future__ import annotations

import dataclasses
import functools
import operator
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, List, NamedTuple, TypeVar  # noqa: UP035

import pytest
from langgraph import channels as their_channels
from langgraph.graph import StateGraph as LangStateGraph
from pydantic import BaseModel, Field
from typing_extensions import NotRequired, ReadOnly, Required, TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.channels import EphemeralValue, Topic
from drumline_graph.constants import START
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.managed import IsLastStep, RemainingSteps
from drumline_graph.schema import instance_items


def red3(a: Any, b: Any, c: Any) -> None: ...
def red3_default(a: Any, b: Any, c: Any = 1) -> None: ...
def red_star(*a: Any) -> None: ...
def red_keyword(a: Any, b: Any, *, c: Any = 1) -> None: ...
def red1(a: Any) -> None: ...
def merge(a: Any, b: Any) -> Any: ...
def other_merge(a: Any, b: Any) -> Any: ...


class TwoArguments:
    def __init__(self, a: Any, b: Any) -> None: ...


def declared(graph: type, annotation: Any) -> Any:
    schema = TypedDict("schema", {"k": annotation})
    return {name: type(ch).__name__ for name, ch in graph(schema).channels.items()}


ANNOTATIONS: dict[str, Any] = {
    "plain": int,
    "reducer": Annotated[list, operator.add],
    "three": Annotated[list, red3],
    "three, one default": Annotated[list, red3_default],
    "star": Annotated[list, red_star],
    "keyword only": Annotated[list, red_keyword],
    "one": Annotated[list, red1],
    "class": Annotated[list, TwoArguments],
    "builtin": Annotated[list, max],
    "partial": Annotated[list, functools.partial(red3, 1)],
    "lambda": Annotated[list, lambda a, b: a],
    "string": Annotated[list, "doc"],
    "reducer not last": Annotated[list, operator.add, "doc"],
    "reducer last": Annotated[list, "doc", operator.add],
    "required": Required[Annotated[list, operator.add]],
    "not required": NotRequired[Annotated[list, operator.add]],
    "not required inside": Annotated[NotRequired[list], operator.add],
}


@pytest.mark.parametrize("annotation", ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_channel_of_an_annotation_is_langgraphs(annotation: Any) -> None:
    try:
        expected = declared(LangStateGraph, annotation)
    except ValueError:
        with pytest.raises(ValueError, match="Invalid reducer signature"):
            declared(StateGraph, annotation)
    else:
        assert declared(StateGraph, annotation) == expected


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, EphemeralValue],
        Annotated[int, EphemeralValue(int, guard=False)],
        Annotated[int, EphemeralValue, "doc"],
        Annotated[int, EphemeralValue, operator.add],
        Annotated[int, operator.add, EphemeralValue],
    ],
    ids=str,
)
def test_a_channel_anywhere_in_the_metadata_counts(annotation: Any) -> None:
    assert declared(StateGraph, annotation) == {"k": "EphemeralValue"}


def test_read_only_is_unwrapped_too() -> None:
    # DEVIATE: LangGraph sees a plain key here and loses the reducer.
    annotation = ReadOnly[Annotated[list, operator.add]]
    assert declared(StateGraph, annotation) == {"k": "BinaryOperatorAggregate"}


PAIRS: dict[str, tuple[Any, Any]] = {
    "plain then reducer": (int, Annotated[int, merge]),
    "reducer then plain": (Annotated[int, merge], int),
    "same reducer": (Annotated[int, merge], Annotated[int, merge]),
    "other reducer": (Annotated[int, merge], Annotated[int, other_merge]),
    "lambda": (Annotated[int, merge], Annotated[int, lambda a, b: a]),
    "int then str": (int, str),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_declaring_a_key_twice_is_as_in_langgraph(pair: tuple[Any, Any]) -> None:
    def build(graph: Any) -> Any:
        first = TypedDict("first", {"k": pair[0]})  # type: ignore[valid-type]
        second = TypedDict("second", {"k": pair[1]})  # type: ignore[valid-type]
        built = graph(first, input_schema=second)
        return {name: type(ch).__name__ for name, ch in built.channels.items()}

    try:
        expected = build(LangStateGraph)
    except ValueError:
        with pytest.raises(GraphDefinitionError, match="already exists with a different type"):
            build(StateGraph)
    else:
        assert build(StateGraph) == expected


class Model(BaseModel):
    counter: ClassVar[int] = 3
    a: int
    b: Annotated[list[str], operator.add] = Field(default_factory=list)
    c: str | None = None
    d: str | None = "dd"
    _private: int = 4


@dataclasses.dataclass
class Data:
    a: int | None = None
    b: Annotated[list[str], operator.add] = dataclasses.field(default_factory=list)
    c: ClassVar[int] = 5


class Plain:
    a: int
    b: str = "x"


@pytest.mark.parametrize(
    ("schema", "keys"),
    [(Model, ["a", "b", "c", "d"]), (Data, ["a", "b"]), (Plain, ["a", "b"])],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_class_variables_and_private_attributes_are_no_keys(schema: Any, keys: list[str]) -> None:
    assert list(StateGraph(schema).channels) == keys


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Model(a=1), {"a": 1, "b": [], "d": "dd"}),
        (Model(a=1, c=None, d=None), {"a": 1, "b": [], "c": None, "d": None}),
        (Data(), {"a": None, "b": []}),
        (Plain(), {"b": "x"}),
    ],
    ids=["model", "explicit None", "dataclass", "annotated class"],
)
def test_an_instance_gives_its_fields(value: Any, expected: dict[str, Any]) -> None:
    assert dict(instance_items(value, ["a", "b", "c", "d"]) or ()) == expected
    assert list(dict(instance_items(value, ["b"]) or ())) == ["b"]


@pytest.mark.parametrize("value", [5, "x", [1], object()], ids=lambda value: type(value).__name__)
def test_other_values_are_no_instances(value: Any) -> None:
    assert instance_items(value, ["a"]) is None


def test_managed_values_are_keys_of_nodes_and_not_of_streams() -> None:
    class WithManaged(TypedDict):
        last: IsLastStep
        left: NotRequired[RemainingSteps]
        x: int

    graph = StateGraph(WithManaged)
    program = graph.add_node("n", lambda state: None).add_edge(START, "n").compile()
    assert set(program.managed) == {"last", "left"}
    assert program.stream_keys == ["x"]
    assert program.input_keys == ["x"]
    assert program.nodes["n"].input_keys == ["x", "last", "left"]
    assert program.nodes["n"].managed_keys == ("last", "left")
    with pytest.raises(GraphDefinitionError, match="not permitted in an input or output schema"):
        StateGraph(Plain, output_schema=WithManaged)  # type: ignore[type-var]


def test_an_unresolvable_annotation_is_explained() -> None:
    class Broken(TypedDict):
        x: "Nowhere"  # type: ignore[name-defined]  # noqa: F821, UP037

    with pytest.raises(GraphDefinitionError, match=r"'Nowhere'.*module level"):
        StateGraph(Broken)


class Colour(Enum):
    RED = 1


class Pair(NamedTuple):
    one: Colour


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    item: T


class Inner(BaseModel):
    pair: Pair


class Big(TypedDict):
    boxes: Annotated[List[Box[Inner]], operator.add]  # noqa: UP006
    data: dict[str, Data | None]
    topic: Annotated[Colour, Topic]


def test_schema_types_walks_everything_named() -> None:
    class NodeInput(BaseModel):
        x: int

    def node(state: NodeInput) -> None: ...

    node.__annotations__["state"] = NodeInput
    graph = StateGraph(Big).add_node("n", node).add_edge(START, "n")
    found = set(graph.compile().schema_types())
    assert {Inner, Pair, Colour, Data, NodeInput} <= found
    assert any(issubclass(cls, Box) for cls in found)
    assert all(cls.__module__ not in ("builtins", "typing") for cls in found)


def test_channel_names_cover_langgraphs() -> None:
    from drumline_graph import channels

    assert set(their_channels.__all__) <= set(channels.__all__)
