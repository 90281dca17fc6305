"""Which classes a program names, whatever form the name has; and those that it means without listing them."""

# ruff: noqa: ARG001, ARG005

from __future__ import annotations

import dataclasses
import enum
import operator
import sys
import types
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import pytest
from langgraph.graph import StateGraph as LangStateGraph
from pydantic import BaseModel, Field, create_model
from pydantic.dataclasses import dataclass as pydantic_dataclass
from tests.graph import typed_docs, typed_models
from typing_extensions import NotRequired, ReadOnly, Required, TypeAliasType, TypedDict, Unpack

from drumline_graph.annotations import hints_of, is_unresolved, meant
from drumline_graph.builder import StateGraph
from drumline_graph.channels import Topic
from drumline_graph.class_finder import ClassFinder
from drumline_graph.constants import START
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.program import Program
from drumline_graph.schema_types import named_by


@dataclasses.dataclass
class Item:
    x: int = 0


@dataclasses.dataclass
class Other:
    y: int = 0


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    one: Item


T = TypeVar("T")
Bound = TypeVar("Bound", bound=Other)


class Box(BaseModel, Generic[T]):
    item: T


@dataclasses.dataclass
class Crate(Generic[T]):
    item: T


class Tree(BaseModel):
    item: Item | None = None
    children: list[Tree] = []


class Deep(TypedDict):
    other: Other


@pydantic_dataclass
class Checked:
    item: Item


Alias = TypeAliasType("Alias", "Item | Other")
Nested = TypeAliasType("Nested", "list[Alias] | None")
Listed = TypeAliasType("Listed", list[T], type_params=(T,))
Endless = TypeAliasType("Endless", "list[Endless] | Item")
Id = NewType("Id", Item)


def merges_items(one: list[Item], other: list[Item]) -> list[Item]:
    return one + other


def program_of(annotation: Any, *nodes: Any, **schemas: Any) -> Program:
    state = TypedDict("State", {"k": annotation}, total=False)  # type: ignore[name-match, operator]  # noqa: UP013
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(state, **schemas)
    for index, node in enumerate(nodes or [lambda state: None]):
        graph.add_node(f"n{index}", node)
        graph.add_edge(START, f"n{index}")
    return graph.compile()  # type: ignore[no-any-return]


def names(program: Program) -> set[str]:
    return {cls.__name__ for cls in named_by(program).classes} - {"TimeoutPolicy"}


ANNOTATIONS: dict[str, tuple[Any, set[str]]] = {
    "alias": (Alias, {"Item", "Other"}),
    "alias of alias": (Nested, {"Item", "Other"}),
    "alias with argument": (Listed[Item], {"Item"}),
    "recursive alias": (Endless, {"Item"}),
    "new type": (Id, {"Item"}),
    "list of new type": (list[Id], {"Item"}),
    "optional": (Item | None, {"Item"}),
    "dict": (dict[str, list[Item]], {"Item"}),
    "tuple": (tuple[Item, ...], {"Item"}),
    "annotated": (Annotated[Item, "doc"], {"Item"}),
    "annotated inside": (list[Annotated[Item | Other, Field(discriminator="x")]], {"Item", "Other"}),
    "required": (Required[Item], {"Item"}),
    "not required": (NotRequired[Item], {"Item"}),
    "read only": (ReadOnly[Item], {"Item"}),
    "named tuple": (Pair, {"Pair", "Item"}),
    "enum": (Colour, {"Colour"}),
    "literal of an enum": (Literal[Colour.RED], {"Colour"}),
    "generic model": (Box[Item], {"Box[Item]", "Box", "Item"}),
    "generic dataclass": (Crate[Item], {"Crate", "Item"}),
    "recursive model": (Tree, {"Tree", "Item"}),
    "typed dict": (Deep, {"Other"}),
    "dict of typed dicts": (dict[str, Deep], {"Other"}),
    "unpacked": (tuple[Unpack[tuple[Item, ...]]], {"Item"}),
    "pydantic dataclass": (Checked, {"Checked", "Item"}),
    "type variable": (list[Bound], {"Other"}),  # type: ignore[valid-type]
    "reducer": (Annotated[list[Any], merges_items], {"Item"}),
    "channel": (Annotated[Any, Topic(Item)], {"Item"}),
    "class": (type[Item], {"Item"}),
}


@pytest.mark.parametrize(("annotation", "expected"), ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_classes_are_found_in_every_form_of_annotation(annotation: Any, expected: set[str]) -> None:
    assert names(program_of(annotation)) == expected


def test_attrs_classes_are_data() -> None:
    attrs = pytest.importorskip("attrs")
    made = attrs.make_class("Made", {"item": attrs.field(type=Item)})
    assert names(program_of(made)) == {"Made", "Item"}


def test_recursive_classes_and_fields_end() -> None:
    assert names(program_of(list[Tree])) == {"Tree", "Item"}


# -- an alias says what a key is -------------------------------------------------------------------


Log = TypeAliasType("Log", Annotated[list[str], operator.add])


def test_an_alias_of_a_key_with_a_reducer_keeps_it() -> None:
    # DEVIATE: LangGraph sees a plain key here and loses the reducer.
    state = TypedDict("State", {"log": Log})  # type: ignore[name-match]  # noqa: UP013
    assert type(LangStateGraph(state).channels["log"]).__name__ == "LastValue"
    assert type(StateGraph(state).channels["log"]).__name__ == "BinaryOperatorAggregate"


def test_an_alias_means_what_stands_behind_it() -> None:
    assert meant(Log) == Annotated[list[str], operator.add]
    assert meant(Listed[Item]) == list[Item]
    assert meant(int) is int


# -- what functions name ---------------------------------------------------------------------------


def test_annotations_of_nodes_routers_and_partials_count() -> None:
    import functools

    def takes(arg: list[Item]) -> dict[str, Any]: ...
    def gives(state: Any) -> dict[str, Other]: ...
    def both(extra: int, state: Any) -> Checked: ...

    class Callable:
        def __call__(self, state: Any) -> Pair: ...

    program = program_of(Any, takes, gives, functools.partial(both, 1), Callable())
    assert names(program) == {"Item", "Other", "Checked", "Pair"}


def test_the_annotation_of_a_router_counts() -> None:
    state = TypedDict("State", {"k": Any})  # type: ignore[name-match]  # noqa: UP013

    def router(arg: dict[str, Item]) -> Literal["n"]: ...

    graph = StateGraph(state).add_node("n", lambda state: None).add_edge(START, "n")
    graph.add_conditional_edges("n", router)
    assert names(graph.compile()) == {"Item"}


def test_what_an_engine_injects_is_no_data() -> None:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

    def node(
        state: Any, config: RunnableConfig, runtime: Runtime[Item], model: BaseChatModel | None = None
    ) -> Other: ...

    assert names(program_of(Any, node)) == {"Item", "Other"}


# -- names that are not there ----------------------------------------------------------------------


def test_a_name_for_type_checkers_costs_nobody_else() -> None:
    hints = hints_of(typed_docs.Doc)
    assert hints["cover"] is typed_docs.Cover
    assert hints["author"] == typed_models.Author | None
    assert hints["reviews"] == list[typed_models.Review]
    assert hints["other"] == typed_models.Review | None
    (never,) = [arg for arg in hints["never"].__args__ if arg is not type(None)]
    assert is_unresolved(never)
    assert (never.__module__, never.__qualname__) == ("tests.graph.typed_never", "Never")


def test_classes_of_names_for_type_checkers_are_found() -> None:
    program = StateGraph(typed_docs.State).add_node("n", lambda state: None).add_edge(START, "n").compile()
    assert names(program) == {"Doc", "Cover", "Author", "Review"}


def test_a_state_may_name_them_too() -> None:
    # DEVIATE: LangGraph raises NameError.
    with pytest.raises(NameError):
        LangStateGraph(typed_docs.Direct)
    graph = StateGraph(typed_docs.Direct)
    kinds = {name: type(channel).__name__ for name, channel in graph.channels.items()}
    assert kinds == {
        "author": "LastValue",
        "authors": "BinaryOperatorAggregate",
        "never": "LastValue",
        "cover": "LastValue",
    }
    program = graph.add_node("n", lambda state: None).add_edge(START, "n").compile()
    assert names(program) == {"Author", "Cover"}
    assert program.fingerprint == graph.compile().fingerprint


def test_a_reducer_is_found_where_it_is_imported_from() -> None:
    channel: Any = StateGraph(typed_docs.Reduced).channels["log"]
    assert channel.operator is typed_models.merge


def test_a_name_from_nowhere_is_an_error_that_names_key_and_name() -> None:
    with pytest.raises(GraphDefinitionError, match=r"key 'nowhere' names 'Nowhere'"):
        StateGraph(typed_docs.Lost)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 came with 3.12")
def test_the_type_statement() -> None:
    module = types.ModuleType("tests_graph_type_statement")
    sys.modules[module.__name__] = module
    vars(module).update(Item=Item, Other=Other, Annotated=Annotated, add=operator.add)
    try:
        exec("type X = Item | Other\ntype L[T] = list[T]\ntype Log = Annotated[list[Item], add]", vars(module))
        assert names(program_of(module.X)) == {"Item", "Other"}
        assert names(program_of(module.L[Item])) == {"Item"}
        assert type(program_of(module.Log).channels["k"]).__name__ == "BinaryOperatorAggregate"
    finally:
        del sys.modules[module.__name__]


# -- classes that are meant ------------------------------------------------------------------------


class Shape(BaseModel):
    kind: str = ""


class Circle(Shape):
    radius: int = 0


class Ring(Circle):
    inner: int = 0


def test_subclasses_of_a_named_class_are_meant() -> None:
    finder = ClassFinder(program_of(list[Shape]))
    assert finder.knows(Circle)
    assert finder.knows(Ring)
    assert not finder.knows(Item)
    assert finder.candidates(__name__, "Ring") == [Ring]
    assert finder.candidates(__name__, "Item") == []
    assert finder.candidates("not.loaded", "Ring") == []
    made = create_model("Late", __base__=Shape, x=(int, 1))
    assert finder.knows(made)


def test_naming_the_root_of_all_models_names_no_model() -> None:
    finder = ClassFinder(program_of(BaseModel))
    assert not finder.knows(Shape)
    assert finder.candidates(__name__, "Shape") == []


def test_a_subclass_that_runs_is_no_data() -> None:
    class Model(BaseModel):
        name: str = ""

    class Chat(Model):
        def invoke(self) -> None: ...
        async def ainvoke(self) -> None: ...

    assert not ClassFinder(program_of(Model)).knows(Chat)


def test_a_name_that_is_found_later_is_meant_then() -> None:
    # Given a module that somebody imports only later
    finder = ClassFinder(StateGraph(typed_docs.State).add_node("n", lambda s: None).add_edge(START, "n").compile())
    module = types.ModuleType("tests.graph.typed_never")
    never = dataclasses.make_dataclass("Never", [("x", int)], namespace={"__module__": module.__name__})
    never.__module__ = module.__name__
    assert finder.candidates(module.__name__, "Never") == []
    assert not finder.knows(typed_models.Unlisted)
    # When it is there
    module.Never = never  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        # Then its class is what the annotation names
        assert finder.knows(never)
        assert finder.candidates(module.__name__, "Never") == [never]
    finally:
        del sys.modules[module.__name__]


def test_a_class_inside_of_a_function_is_found_through_the_node_that_uses_it() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    @dataclasses.dataclass
    class Holder:
        local: Local

    def node(state: Any) -> Any:
        return {"k": Holder(Local(1))}

    finder = ClassFinder(program_of(Holder, node))
    assert finder.knows(Local)
    assert finder.candidates(__name__, Local.__qualname__) == [Local]
