"""Warnings about graphs that run, but hardly as their author meant; and none about those that are as meant."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from typing_extensions import NotRequired, TypedDict

from drumline.graph import END, START, MessagesState, StateGraph
from drumline.managed import RemainingSteps
from drumline.warnings import DefaultWarning, DrumlineWarning, ReducerWarning, RunWarning


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


def said(_: Any) -> State:
    return {"log": ["x"]}


def compiled(schema: Any, name: str = "mine") -> Any:
    return StateGraph(schema).add_node("n", lambda _: None).add_edge(START, "n").compile(name=name)


def of(*names: str) -> StateGraph[Any, Any, Any, Any]:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    for name in names:
        builder.add_node(name, said)
    return builder


def schema_of(annotation: Any) -> Any:
    return TypedDict("Schema", {"key": annotation})  # type: ignore[operator]


# -- reducers ---------------------------------------------------------------------------------------


def merge(left: Any, right: Any) -> Any:
    return left or right


IDLE = {
    "a text behind it": Annotated[list[str], operator.add, "notes"],
    "a field behind it": Annotated[list[str], merge, Field(description="notes")],
    "not required": NotRequired[Annotated[list[str], merge, "notes"]],
}


@pytest.mark.parametrize("kind", IDLE)
def test_a_reducer_that_is_not_the_last_item(kind: str) -> None:
    with pytest.warns(ReducerWarning, match=r"graph 'mine': key 'key' of Schema .*(add|merge).*not as the last item"):
        compiled(schema_of(IDLE[kind]))


def validate(value: Any) -> Any:
    return value


MEANT = {
    "the last item": Annotated[list[str], "notes", operator.add],
    "no reducer": Annotated[int, Field(ge=1)],
    "a function of one": Annotated[int, validate, "notes"],
    "a class": Annotated[int, Field, "notes"],
    "managed": RemainingSteps,
}


@pytest.mark.parametrize("kind", MEANT)
def test_what_is_meant(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DrumlineWarning)
        compiled(schema_of(MEANT[kind]))


# -- defaults ---------------------------------------------------------------------------------------


class Given(TypedDict):
    n: int
    m: int = 5  # type: ignore[misc]


def test_a_default_in_a_typed_dict() -> None:
    with pytest.warns(DefaultWarning, match=r"graph 'mine': key 'm' of Given has a default value"):
        compiled(Given)


@dataclass
class Data:
    n: int = 3
    log: Annotated[list[str], operator.add] = field(default_factory=lambda: ["begun"])
    other: Annotated[list[str], operator.add] = field(default_factory=list)


class Model(BaseModel):
    n: int = 3
    log: Annotated[int, operator.add] = 7


class Plain:
    n: int
    log: str = "b"


@pytest.mark.parametrize("schema", [Data, Model, Plain], ids=lambda schema: schema.__name__)
def test_a_default_that_no_node_sees(schema: Any) -> None:
    """Told when a dict leaves it to the schema; what the graph does is what LangGraph does."""
    graph = compiled(schema)
    with pytest.warns(DefaultWarning, match=r"graph 'mine': the default of key 'log' has no effect.*\['n'\]") as told:
        graph.invoke({"n": 1})
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", DrumlineWarning)
        graph.invoke({"n": 1, "log": {Data: ["x"], Model: 1}.get(schema, "x")})


@pytest.mark.parametrize("schema", [Data, Model], ids=lambda schema: schema.__name__)
def test_an_instance_brings_its_defaults(schema: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DrumlineWarning)
        assert compiled(schema).invoke(schema())["log"] in (["begun"], 7)


@pytest.mark.parametrize("schema", [State, MessagesState, list, Annotated[list[str], operator.add]])
def test_schemas_without_defaults(schema: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DrumlineWarning)
        compiled(schema)


# -- joins ------------------------------------------------------------------------------------------


def half_a_join() -> Any:
    return of("a", "b", "c").add_edge(START, "a").add_edge(["a", "b"], "c")


def deferred() -> Any:
    return of("a", "b").add_node("c", said, defer=True).add_edge(START, "a").add_edge(["a", "b"], "c")


@pytest.mark.parametrize("build", [half_a_join, deferred], ids=["plain", "deferred"])
def test_a_join_that_never_fired(build: Callable[[], Any]) -> None:
    with pytest.warns(RunWarning, match=r"graph 'mine' ended .* node 'c' waits for 'b', which did not run, after 'a'"):
        build().compile(name="mine").invoke({"n": 1})


def test_a_join_of_a_subgraph_is_told_of_once() -> None:
    child = half_a_join().compile(name="child")
    graph = StateGraph(State).add_node("one", lambda _: None).add_node("child", child).add_edge(START, "child")
    graph.add_conditional_edges("child", lambda state: "child" if len(state["log"]) < 3 else END)
    with pytest.warns(RunWarning, match="graph 'child'") as told:
        graph.compile().invoke({"n": 1})
    assert len(told) == 1


def whole_join() -> Any:
    return of("a", "b", "c").add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c")


def loop() -> Any:
    """The join has fired, and is half full again when the loop ends."""
    return whole_join().add_conditional_edges("c", lambda state: "a" if len(state["log"]) < 4 else END)


def not_begun() -> Any:
    return of("a", "b", "c", "d").add_edge(START, "d").add_edge(["a", "b"], "c")


@pytest.mark.parametrize("build", [whole_join, loop, not_begun], ids=lambda build: build.__name__)
def test_joins_as_meant(build: Callable[[], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DrumlineWarning)
        build().compile().invoke({"n": 1})
