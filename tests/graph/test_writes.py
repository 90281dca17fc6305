"""Results of nodes, routers and callers as writes: LangGraph accepts and refuses the same, but for what is marked
DEVIATE.
"""

# ruff: noqa: ARG001, ARG005 (nodes and routers must take the state)

from __future__ import annotations

import dataclasses
import operator
from typing import Annotated, Any, Literal

import pytest
from langgraph.errors import InvalidUpdateError as TheirInvalidUpdateError
from langgraph.graph import StateGraph as LangStateGraph
from langgraph.types import Command as TheirCommand
from langgraph.types import Overwrite as TheirOverwrite
from langgraph.types import Send as TheirSend
from pydantic import BaseModel, Field
from tests.graph.driver import run
from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.constants import END, START
from drumline_graph.errors import (
    EmptyInputError,
    InvalidUpdateError,
    ParentCommand,
    RouteError,
    RouteMapError,
)
from drumline_graph.types import Command, Overwrite, Send
from drumline_graph.writes import input_writes, result_of, result_writes, updates_of


class State(TypedDict):
    a: int
    b: Annotated[list, operator.add]


class Model(BaseModel):
    a: int
    b: Annotated[list[str], operator.add] = Field(default_factory=list)
    c: str | None = None


@dataclasses.dataclass
class Data:
    a: int | None = None
    b: Annotated[list, operator.add] = dataclasses.field(default_factory=list)
    other: int = 3


def graph_of(builder: Any, result: Any, router: Any = None, path_map: Any = None) -> Any:
    builder.add_node("n", lambda state: result).add_node("m", lambda state: {"b": ["m"]})
    builder.add_edge(START, "n")
    if router is not None:
        builder.add_conditional_edges("n", router, path_map)
    return builder.compile()


def theirs_of(value: Any) -> Any:
    """The same value made of LangGraph's classes."""
    if isinstance(value, Command):
        return TheirCommand(graph=value.graph, update=theirs_of(value.update), goto=theirs_of(value.goto))
    if isinstance(value, Send):
        return TheirSend(value.node, value.arg)
    if isinstance(value, Overwrite):
        return TheirOverwrite(value.value)
    if isinstance(value, dict):
        return {key: theirs_of(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(theirs_of(item) for item in value)
    return value


def their_run(graph: Any, value: Any) -> tuple[list[Any], list[Any]]:
    values, updates = [], []
    for mode, item in graph.stream(value, stream_mode=["values", "updates"]):
        (values if mode == "values" else updates).append(item)
    return values, updates


RESULTS: list[Any] = [
    {"a": 1},
    {"unknown": 1},
    {},
    None,
    {1: 2},
    5,
    "x",
    [1],
    [],
    (),
    [{"a": 1}],
    [{"a": 1}, Command(update={"b": [1]})],
    [Command(update={"a": 1}), Command(update={"b": [1]})],
    [Command(update={"b": [2]}), Command(update={"b": [1], "a": 3})],
    (Command(update={"a": 1}),),
    [None, Command(update={"a": 1})],
    [Command(update={"a": 1}), Command(update={"a": 2})],
    Command(update=[("a", 1), ("b", [2])]),
    Command(update=[("b", [1]), ("b", [2])]),
    Command(update=Data(a=4)),
    Command(update=Model(a=4)),
    Command(update={"unknown": 1}),
    Command(),
    Model(a=3),
    Model(a=3, c=None),
    Data(),
    Data(a=3),
    Send("m", {}),
    [Send("m", {}), Send("m", {})],
    Command(goto="m"),
    Command(goto=["m", Send("m", 1)]),
    Command(goto=("m",)),
    Command(goto=END),
    Command(goto=[END, "m"]),
    Command(update={"a": 1}, goto="m"),
    Command(update={"a": 1}, graph="unknown graph"),
    {"b": Overwrite([5])},
    {"b": {"__overwrite__": [6]}},
    {"b": {"value": [7], "type": "__overwrite__"}},
    {"__start__": {"a": 5}},
    {"branch:to:m": None},
]


@pytest.mark.parametrize("result", RESULTS, ids=repr)
def test_a_result_is_written_as_in_langgraph(result: Any) -> None:
    program = graph_of(StateGraph(State), result)
    theirs = graph_of(LangStateGraph(State), theirs_of(result))
    try:
        values, updates = their_run(theirs, {"a": 0})
    except TheirInvalidUpdateError as error:
        start = "Expected dict, got" if "Expected dict" in str(error) else "At key"
        with pytest.raises(InvalidUpdateError, match=start):
            run(program, {"a": 0})
        return
    seen = run(program, {"a": 0})
    assert seen.values == values
    ours = [theirs_of(update) for step in seen.updates for update in step]
    assert sorted(map(repr, ours)) == sorted(map(repr, updates))


def one(result: Any) -> Any:
    program = graph_of(StateGraph(State), result)
    return result_writes(program, program.nodes["n"], result)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (Command(goto="zzz"), "Node 'n' returned a goto to 'zzz', which is not a node.*'n', 'm'"),
        (Command(goto=START), "goto to '__start__'"),
        (Command(goto=Send("zzz", 1)), "Send to 'zzz', which is not a node"),
        (Send("zzz", 1), "Node 'n' made a Send to 'zzz'"),
        (Command(goto=Send(END, 1)), "sent a packet to END"),
        (Command(goto=5), "goto takes a node name"),
        (Command(goto=None), "goto takes a node name"),
        (Command(update=5), "Expected dict, got 5"),
        ([Command(goto="m"), Send("m", 1)], "Put it into one of them"),
        ("x" * 1000, r"Expected dict, got 'x{199}\.\.\."),
    ],
)
def test_what_langgraph_loses_silently_is_an_error(result: Any, text: str) -> None:
    # DEVIATE: LangGraph logs a warning, or nothing, and goes on.
    with pytest.raises(InvalidUpdateError, match=text):
        one(result)


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: [Command(update={"a": 1}), c]])
def test_a_command_for_the_parent_leaves_the_node(wrap: Any) -> None:
    command = Command(graph=Command.PARENT, update={"a": 1})
    with pytest.raises(ParentCommand) as caught:
        one(wrap(command))
    assert caught.value.args[0] is command


ROUTES: list[tuple[Any, Any]] = [
    ("m", None),
    (END, None),
    (["m", END], None),
    (("m", "m"), None),
    (Send("m", 1), None),
    ([Send("m", 1), "m"], None),
    ([], None),
    (True, {True: "m", False: END}),
    ("m", ["m"]),
    ("m", ("m",)),
    ("y", {"y": END}),
    (None, {None: "m"}),
    (["y", Send("m", 2)], {"y": "m"}),
]


@pytest.mark.parametrize(("returned", "path_map"), ROUTES, ids=repr)
def test_a_route_leads_where_it_leads_in_langgraph(returned: Any, path_map: Any) -> None:
    program = graph_of(StateGraph(State), {"a": 1}, lambda state: returned, path_map)
    their_returned = theirs_of(returned)
    theirs = graph_of(LangStateGraph(State), {"a": 1}, lambda state: their_returned, path_map)
    seen = run(program, {"a": 0})
    values, updates = their_run(theirs, {"a": 0})
    assert seen.values == values
    assert sum(map(len, seen.updates)) == len(updates)


@pytest.mark.parametrize(
    ("returned", "path_map", "error", "text"),
    [
        (
            None,
            None,
            ValueError,
            "Branch 'condition' of node 'n' did not return a valid destination",
        ),
        (START, None, ValueError, "valid destination: got '__start__'"),
        ([None], None, ValueError, "valid destination"),
        ("zzz", None, RouteError, "led to 'zzz', which is not a node"),
        (True, None, RouteError, "led to True"),
        ({"m"}, None, RouteError, "led to {'m'}"),
        (Send("zz", 1), {"y": "m"}, RouteError, "Send to 'zz'"),
        (Send(END, 1), None, InvalidUpdateError, "END"),
        ("x", {"y": "m"}, KeyError, "returned 'x', which its path map does not list.*'y'"),
        ({"x"}, {"y": "m"}, RouteMapError, "path map"),
    ],
)
def test_wrong_routes(returned: Any, path_map: Any, error: Any, text: str) -> None:
    program = graph_of(StateGraph(State), {"a": 1}, lambda state: returned, path_map)
    with pytest.raises(error, match=text):
        run(program, {"a": 0})


def test_a_literal_return_annotation_is_a_path_map() -> None:
    def router(state: Any) -> list[Literal["m"]] | None:
        return ["n"]  # type: ignore[list-item]

    program = graph_of(StateGraph(State), {"a": 1}, router)
    assert program.nodes["n"].branches[0].ends == {"m": "m"}
    with pytest.raises(KeyError, match="'n'"):
        run(program, {"a": 0})


class OtherKeys(TypedDict):
    new: int
    a: int


@pytest.mark.parametrize("schema", [State, Model], ids=["dict", "pydantic"])
@pytest.mark.parametrize("annotation", [None, State, Model, OtherKeys, dict, Any, int, "State"])
@pytest.mark.parametrize("result", [{"a": 1, "extra": 5, "b": ["n"]}, "command"], ids=str)
def test_a_router_is_given_what_langgraph_gives_it(schema: Any, annotation: Any, result: Any) -> None:
    given: list[Any] = []

    def make() -> Any:
        def router(state: Any) -> str:
            given.append(state)
            return END

        del router.__annotations__["state"]
        if annotation is not None:
            router.__annotations__["state"] = annotation
        return router

    update = {"a": 1, "extra": 5}
    ours = Command(update=update) if result == "command" else result
    run(graph_of(StateGraph(schema), ours, make()), {"a": 0})
    list(graph_of(LangStateGraph(schema), theirs_of(ours), make()).stream({"a": 0}))
    assert given[0] == given[1]
    assert type(given[0]) is type(given[1])


@pytest.mark.parametrize("schema", [State, Model], ids=["dict", "pydantic"])
def test_a_start_router_sees_the_input(schema: Any) -> None:
    given: list[Any] = []

    def router(state: Any) -> str:
        given.append(state)
        return END

    def build(builder: Any) -> Any:
        builder.add_node("n", lambda state: None).add_edge(START, "n")
        return builder.add_conditional_edges(START, router).compile()

    value = {"a": 1, "extra": 5}
    run(build(StateGraph(schema)), value)
    build(LangStateGraph(schema)).invoke(value)
    assert given[0] == given[1]


INPUTS: list[Any] = [
    {},
    {"a": 1},
    {"unknown": 1},
    {"a": None},
    {"b": Overwrite([9])},
    {1: 2},
    Model(a=1),
    Data(a=1),
    5,
    "x",
    [("a", 1)],
    [{"a": 1}],
    [],
    (),
]


@pytest.mark.parametrize("value", INPUTS, ids=repr)
def test_an_input_is_read_as_in_langgraph(value: Any) -> None:
    program = graph_of(StateGraph(State), None)
    theirs = graph_of(LangStateGraph(State), None)
    try:
        values, _ = their_run(theirs, theirs_of(value))
    except TheirInvalidUpdateError:
        with pytest.raises(InvalidUpdateError, match="Expected dict, got"):
            run(program, value)
    else:
        assert run(program, value).values == values


def test_input_is_restricted_to_the_input_schema() -> None:
    graph = StateGraph(State, input_schema=OtherKeys).add_node("n", lambda state: None)
    program = graph.add_edge(START, "n").compile()
    assert input_writes(program, {"a": 1, "b": [1], "new": 2}) == [("a", 1), ("new", 2)]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (None, EmptyInputError, "no input"),
        (Command(), EmptyInputError, "without update"),
        (Command(goto="n"), InvalidUpdateError, "begins at START"),
        (Command(graph=Command.PARENT, update={}), InvalidUpdateError, "no parent graph"),
        (Send("n", 1), InvalidUpdateError, "no graph input"),
    ],
)
def test_what_is_no_input(value: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        input_writes(graph_of(StateGraph(State), None), value)


def test_a_command_as_input_updates_once() -> None:
    program = graph_of(StateGraph(State), None)
    assert input_writes(program, Command(update={"b": [1], "x": 2})) == [("b", [1])]


@pytest.mark.parametrize(
    ("writes", "keys", "update", "result"),
    [
        ([], ["a", "b"], None, {}),
        ([("branch:to:x", None)], ["a", "b"], None, {}),
        ([("a", 1), ("x", 2)], ["a", "b"], {"a": 1}, {"a": 1}),
        (
            [("b", [1]), ("a", 2), ("b", [3])],
            ["a", "b"],
            [{"b": [1]}, {"a": 2}, {"b": [3]}],
            {"b": {"$writes": [[1], [3]]}, "a": 2},
        ),
        ([("__root__", 1)], "__root__", 1, {"__root__": 1}),
        ([("__root__", 1), ("__root__", 2)], "__root__", [1, 2], {"__root__": {"$writes": [1, 2]}}),
    ],
)
def test_payloads_of_streams(writes: Any, keys: Any, update: Any, result: Any) -> None:
    assert updates_of(writes, keys) == update
    assert result_of(writes, keys) == result


@pytest.mark.parametrize(
    "result", [[2], None, Command(update=[3]), [Command(update=[3]), Command(update=[4])]], ids=repr
)
def test_unkeyed_graphs_write_the_bare_value(result: Any) -> None:
    schema: Any = Annotated[list, operator.add]

    def build(builder: Any, value: Any) -> Any:
        return builder.add_node("n", lambda state: value).add_edge(START, "n").compile()

    seen = run(build(StateGraph(schema), result), [1])
    values, updates = their_run(build(LangStateGraph(schema), theirs_of(result)), [1])
    assert (seen.values, seen.updates) == (values, [updates])
