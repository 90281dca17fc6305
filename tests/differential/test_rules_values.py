"""Values of all kinds in a state: the same stream as LangGraph's, by reference and through the codec.

Comparing arrays gives arrays, and comparing tables gives tables: nothing between a node and its reader may ask a user's
value whether it equals another one, or whether it is true.
"""

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import numpy as np
import pandas as pd
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel, ConfigDict

from .engines import Engine
from .harness import ALL_MODES, same
from .states import chain
from .value_kinds import KINDS, array, carrying, table

MODES = [*ALL_MODES, "messages"]


every_kind = pytest.mark.parametrize("kind", KINDS)


class Held(TypedDict, total=False):
    value: Any
    all: Annotated[list, operator.add]
    by_name: Annotated[dict, operator.or_]
    seen: str


def look(state: Any) -> Any:
    """What the next node sees."""
    return {"seen": f"{type(state['value']).__name__} {state['value']!r}", "all": [state["value"]]}


@every_kind
def test_a_value_in_every_place(other: Engine, kind: str) -> None:
    make = KINDS[kind]

    def build(e: Engine) -> Any:
        def writes(state: Any, writer: e.StreamWriter) -> Any:
            del state
            writer({"event": make()})
            return {"value": make(), "all": [make()], "by_name": {"a": make()}}

        def commands(_: Any) -> Any:
            return e.Command(update={"value": make(), "by_name": {"b": make()}}, goto="sent")

        def route(state: Any) -> Any:
            return [e.Send("sent", {"value": state["value"]}) for _ in range(2)]

        builder = e.StateGraph(Held)
        builder.add_node("writes", writes)
        builder.add_node("look", look)
        builder.add_node("commands", commands, destinations=("sent",))
        builder.add_node("sent", lambda given: {"all": [given["value"]]})
        builder.add_edge(e.START, "writes")
        builder.add_edge("writes", "look")
        builder.add_edge("look", "commands")
        builder.add_conditional_edges("look", route, ["sent"])
        return builder.compile()

    same(build, other, {"value": make(), "all": [make()]}, ALL_MODES)


@every_kind
def test_a_value_through_a_subgraph(other: Engine, kind: str) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, look, look, state=Held)
        return chain(e, lambda _: {"value": KINDS[kind]()}, child, look, state=Held)

    same(build, other, {"all": []}, ALL_MODES)


class Sums(TypedDict, total=False):
    added: Annotated[np.ndarray, operator.add]
    by_numpy: Annotated[np.ndarray, lambda old, new: np.add(old, new)]
    joined: Annotated[Any, lambda old, new: pd.concat([old, new]) if len(old) else new]
    last: np.ndarray


def test_reducers_of_arrays_and_tables(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def node(_: Any) -> Any:
            return {"added": np.ones(2), "by_numpy": np.ones(2), "joined": table(), "last": array()}

        return chain(e, node, node, lambda state: {"last": state["added"] + state["by_numpy"]}, state=Sums)

    same(build, other, {"added": np.zeros(2), "by_numpy": np.zeros(2), "joined": table()}, ALL_MODES)


def test_what_only_looks_like_an_overwrite(other: Engine) -> None:
    """LangGraph asks for the truth of an array here, which raises (docs/differences.md)."""
    graph = chain(other, lambda _: {"by_name": {"type": array(), "value": 1}}, state=Held)
    result = other.runnable(graph).invoke({"by_name": {"x": 1}})
    assert list(result["by_name"]) == ["x", "type", "value"]


def test_overwriting_with_an_array(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"all": e.Overwrite([array(), table()])}, state=Held)

    same(build, other, {"all": [array()]}, ALL_MODES)


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: Any = None
    rows: Any = None
    array: np.ndarray = np.zeros(1)
    seen: str = ""


@dataclass
class Data:
    value: Any = None
    rows: Any = field(default_factory=table)
    array: Any = None
    seen: str = ""


@pytest.mark.parametrize("schema", [Model, Data], ids=["pydantic", "dataclass"])
def test_states_that_are_objects(other: Engine, schema: Any) -> None:
    def build(e: Engine) -> Any:
        def node(state: Any) -> Any:
            return {"value": state.array, "rows": table(), "array": array()}

        def whole(state: Any) -> Any:
            return schema(value=state.value, rows=state.rows, array=state.array, seen=repr(state.array))

        return chain(e, node, whole, state=schema)

    same(build, other, {"array": array()}, ALL_MODES)


def test_a_state_that_is_one_array(other: Engine) -> None:
    same(lambda e: chain(e, lambda state: state + 1, state=Annotated[Any, operator.add]), other, array(), ALL_MODES)


def test_arrays_in_messages(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def tool(_: Any) -> Any:
            return {
                "messages": [
                    AIMessage("", id="1", tool_calls=[{"name": "f", "args": {"x": [1]}, "id": "c"}]),
                    ToolMessage("done", tool_call_id="c", id="2", artifact={"array": array(), "table": table()}),
                    AIMessage("so", id="3", response_metadata={"score": np.float32(0.5)}),
                ]
            }

        def again(state: Any) -> Any:
            return {"messages": [state["messages"][-2], HumanMessage(repr(state["messages"][-2].artifact), id="4")]}

        return chain(e, tool, again, state=e.MessagesState)

    same(build, other, {"messages": [HumanMessage("go", id="0")]}, MODES)


def test_channels_of_arrays(other: Engine) -> None:
    def build(e: Engine) -> Any:
        class Channels(TypedDict, total=False):
            topic: Annotated[list, e.Topic(Any, accumulate=True)]
            any: Annotated[Any, e.AnyValue(Any)]
            short: Annotated[Any, e.EphemeralValue(Any)]
            untracked: Annotated[Any, e.UntrackedValue(Any)]

        def node(_: Any) -> Any:
            return {"topic": array(), "any": array(), "short": array(), "untracked": array()}

        builder = e.StateGraph(Channels)
        for name in ("one", "two"):
            builder.add_node(name, lambda _: {"topic": array(), "any": array()})
            builder.add_edge(e.START, name)
        builder.add_node("then", node)
        builder.add_edge(["one", "two"], "then")
        return builder.compile()

    same(build, other, {"any": array()}, ALL_MODES)


def test_one_of_every_kind(other: Engine) -> None:
    same(carrying, other, {"all": [array()]}, ALL_MODES)
