"""Options of calls and attributes of graphs: each of LangGraph's is honoured, refused, or known to do nothing."""

import importlib
import inspect
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from pydantic import Field as PydanticField
from tests.docs.pages import tables_of
from typing_extensions import NotRequired, ReadOnly, Required, TypedDict

from drumline.errors import FeatureNotBuilt
from drumline.graph import START, StateGraph
from drumline.types import CachePolicy, RetryPolicy

from .engines import DRUMLINE, LANGGRAPH, Engine
from .harness import same_outcome

PAGE = Path(__file__).parents[2] / "docs/differences.md"


class State(TypedDict):
    n: int
    log: Annotated[list[str], operator.add]


INPUT: State = {"n": 0, "log": []}


def count(state: State) -> Any:
    return {"n": state["n"] + 1, "log": ["count"]}


def graph_of(e: Engine = DRUMLINE, **options: Any) -> Any:
    return e.StateGraph(State).add_node("count", count).add_edge(e.START, "count").compile(**options)


def nested(e: Engine) -> Any:
    return e.StateGraph(State).add_node("inner", graph_of(e)).add_edge(e.START, "inner").compile()


# -- the walk ---------------------------------------------------------------------------------------

#: classes and functions of LangGraph that users call with options
PLACES = {
    "graph": ("StateGraph", "add_messages"),
    "graph.state": ("CompiledStateGraph",),
    "types": (
        "Send",
        "Command",
        "Interrupt",
        "Overwrite",
        "RetryPolicy",
        "CachePolicy",
        "TimeoutPolicy",
        "TracePolicy",
        "interrupt",
    ),
    "runtime": ("Runtime", "ExecutionInfo", "ServerInfo", "get_runtime"),
    "config": ("get_config", "get_store", "get_stream_writer"),
    "prebuilt": ("create_react_agent", "ToolNode", "tools_condition"),
    "channels": (
        "LastValue",
        "AnyValue",
        "EphemeralValue",
        "UntrackedValue",
        "Topic",
        "BinaryOperatorAggregate",
        "DeltaChannel",
    ),
}
#: how LangGraph makes its graphs and channels inside, which is nobody's to call
INSIDE = re.compile(
    r"CompiledStateGraph\.(__init__|attach_\w+|stream_events|astream_events)|"
    r"Interrupt\.from_ns|StateGraph\.__init__\.kwargs|.*\.deprecated_kwargs|.*\.kwargs"
)
#: what a channel does is the engine's business (decision 0003): users only make them
CHANNEL_METHODS = re.compile(rf"({'|'.join(PLACES['channels'])})\.(?!__init__)")


def parameters_of(thing: Any) -> set[str]:
    return set(inspect.signature(thing).parameters) - {"self", "cls"}


def calls(root: str) -> Iterator[tuple[str, Any]]:
    """(name, callable) of everything in PLACES; methods that LangChain's Runnable brings are not LangGraph's."""
    for path, names in PLACES.items():
        for name in names:
            thing = getattr(importlib.import_module(f"{root}.{path}"), name, None)
            if thing is None:  # an elder LangGraph
                continue
            if not inspect.isclass(thing):
                yield name, thing
                continue
            yield f"{name}.__init__", thing
            for method in dir(thing):
                owner = next((cls for cls in thing.__mro__ if method in vars(cls)), object)
                mine = owner.__module__.startswith("langgraph")
                if not method.startswith("_") and mine and callable(getattr(thing, method)):
                    yield f"{name}.{method}", getattr(thing, method)


def their_parameters() -> list[tuple[str, str, str]]:
    """(place, call, parameter) of LangGraph's public calls."""
    found = []
    for name, thing in calls("langgraph"):
        try:
            parameters = parameters_of(thing)
        except ValueError:
            continue
        found += [(name, parameter) for parameter in sorted(parameters)]
    return [
        (f"{name}.{parameter}", name, parameter)
        for name, parameter in found
        if not (INSIDE.fullmatch(f"{name}.{parameter}") or INSIDE.fullmatch(name) or CHANNEL_METHODS.match(name))
    ]


def ours(name: str) -> Any:
    first, _, method = name.partition(".")
    path = next(path for path, names in PLACES.items() if first in names)
    thing = getattr(importlib.import_module(f"drumline.{path}"), first)
    return thing if method in ("", "__init__") else getattr(thing, method)


#: drumline's `invoke` says by overloads what its signature gathers in `**options`: those are `stream`'s
GATHERS = {
    "CompiledStateGraph.invoke": "CompiledStateGraph.stream",
    "CompiledStateGraph.ainvoke": "CompiledStateGraph.astream",
}


@pytest.mark.parametrize(("place", "name", "parameter"), their_parameters(), ids=lambda value: value)
def test_each_parameter_is_taken(place: str, name: str, parameter: str) -> None:
    taken = parameters_of(ours(name))
    if "options" in taken and name in GATHERS:
        taken |= parameters_of(ours(GATHERS[name]))
    assert parameter in taken, f"LangGraph takes {place}"


def test_the_walk_finds_the_options() -> None:
    found = {place for place, _, _ in their_parameters()}
    known = {
        "StateGraph.compile.checkpointer",
        "StateGraph.add_node.retry_policy",
        "CompiledStateGraph.stream.durability",
    }
    assert known <= found
    assert len(found) > 120


# -- refused ----------------------------------------------------------------------------------------


def add(**options: Any) -> Any:
    return StateGraph(State).add_node("n", count, **options)


def set_attribute(name: str, value: Any) -> None:
    setattr(graph_of(), name, value)


REFUSED: dict[str, Callable[[], Any]] = {
    "compile(transformers=)": lambda: graph_of(transformers=[object]),
    "retry_policy": lambda: set_attribute("retry_policy", [RetryPolicy()]),
    "cache_policy": lambda: set_attribute("cache_policy", CachePolicy()),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_is_not_built_is_refused(option: str) -> None:
    with pytest.raises(FeatureNotBuilt, match=r"is not built"):
        REFUSED[option]()


def test_defaults_are_no_request() -> None:
    graph = graph_of(checkpointer=False, cache=None, store=None, interrupt_before=None, interrupt_after=[])
    for name in ("step_timeout", "cache", "checkpointer", "store", "retry_policy", "interrupt_before_nodes"):
        setattr(graph, name, getattr(graph, name))
    assert graph.invoke(INPUT) == {"n": 1, "log": ["count"]}


def saver_of(e: Engine) -> Any:
    return importlib.import_module(f"{'langgraph' if e is LANGGRAPH else 'drumline'}.checkpoint.memory").InMemorySaver()


@pytest.mark.parametrize(
    "points", [{"before": ["count"]}, {"after": "*"}, {"before": "*", "after": ["count"]}, {}], ids=str
)
def test_attributes_of_threads_may_be_set(points: dict[str, Any]) -> None:
    def told(e: Engine) -> Any:
        graph, config = graph_of(e), {"configurable": {"thread_id": "t"}}
        assert graph.checkpointer is None
        graph.checkpointer = saver_of(e)
        for side, names in points.items():
            setattr(graph, f"interrupt_{side}_nodes", names)
        first, then = list(graph.stream(INPUT, config, stream_mode="updates")), graph.get_state(config).next
        again = list(graph.stream(None, config, stream_mode="updates")) if then else []
        return first, then, again, len(list(graph.get_state_history(config)))

    assert told(DRUMLINE) == told(LANGGRAPH)


# -- accepted and without effect ----------------------------------------------------------------------


def set_eager() -> Any:
    graph = graph_of()
    graph.stream_eager = True
    return graph.invoke(INPUT)


NO_EFFECT: dict[str, Callable[[], Any]] = {
    "`stream_eager`": set_eager,
    "`durability=`": lambda: graph_of().invoke(INPUT, durability="exit"),
}


@pytest.mark.filterwarnings("ignore:.*durability")
@pytest.mark.parametrize("option", NO_EFFECT)
def test_what_has_no_effect_changes_nothing(option: str) -> None:
    assert NO_EFFECT[option]() == {"n": 1, "log": ["count"]}


def test_the_table_of_what_has_no_effect() -> None:
    table = next(rows for rows in tables_of(PAGE) if rows[0][0] == "accepted and without effect")
    assert {row[0] for row in table[2:]} == set(NO_EFFECT)


def test_durability_warns_as_in_langgraph() -> None:
    for engine in (LANGGRAPH, DRUMLINE):
        with pytest.warns(UserWarning, match="durability.*no effect"):
            graph_of(engine).invoke(INPUT, durability="exit")


# -- honoured -----------------------------------------------------------------------------------------

HONOURED: dict[str, Callable[[Engine], Any]] = {
    "subgraphs": lambda e: nested(e).invoke(INPUT, subgraphs=True),
    "subgraphs, v2": lambda e: nested(e).invoke(INPUT, subgraphs=True, version="v2").value,
    "subgraphs, updates": lambda e: nested(e).invoke(INPUT, subgraphs=True, stream_mode="updates"),
    "output_keys": lambda e: nested(e).invoke(INPUT, output_keys="n", subgraphs=True),
    "list of modes": lambda e: nested(e).invoke(INPUT, stream_mode=["values", "updates"]),
    "debug": lambda e: graph_of(e, debug=False).invoke(INPUT, debug=False),
    "name": lambda e: graph_of(e, name="mine").get_name(),
    "get_name(suffix)": lambda e: [graph_of(e).get_name("Input"), graph_of(e, name="my_graph").get_name("Input")],
    "get_name(name=)": lambda e: graph_of(e).get_name("output", name="Other"),
    "stream_mode": lambda e: list(with_mode(e, "values").stream(INPUT)),
    "stream_mode, named": lambda e: list(with_mode(e, "values").stream(INPUT, stream_mode="updates")),
    "channels": lambda e: [graph_of(e).input_channels, graph_of(e).output_channels, graph_of(e).stream_channels_list],
    "breakpoints": lambda e: [(g := stopping(e)).invoke(INPUT), g.interrupt_before_nodes, g.interrupt_after_nodes],
    "get_subgraphs": lambda e: [name for name, _ in twice_nested(e).get_subgraphs()],
    "get_subgraphs(recurse)": lambda e: [name for name, _ in twice_nested(e).get_subgraphs(recurse=True)],
    "get_subgraphs(namespace)": lambda e: [
        name for name, _ in twice_nested(e).get_subgraphs(namespace="outer|inner", recurse=True)
    ],
    "subgraphs are graphs": lambda e: [graph.invoke(INPUT) for _, graph in nested(e).get_subgraphs()],
}  # fmt: skip


def stopping(e: Engine) -> Any:
    graph = nested(e)
    graph.interrupt_before_nodes = ["inner"]
    graph.interrupt_after_nodes = "*"
    return graph


def with_mode(e: Engine, mode: str) -> Any:
    graph = graph_of(e)
    graph.stream_mode = mode
    return graph


def twice_nested(e: Engine) -> Any:
    return e.StateGraph(State).add_node("outer", nested(e)).add_edge(e.START, "outer").compile()


@pytest.mark.parametrize("option", HONOURED)
def test_what_is_honoured(other: Engine, option: str) -> None:
    if other.adapts:
        pytest.skip("the adapter's graph is another class")
    same_outcome(HONOURED[option], other)


def test_the_last_state_is_the_outermost_graphs() -> None:
    """LangGraph takes the last `values` of any graph, here the inner one's."""

    def outer_writes_nothing(e: Engine) -> Any:
        inner = e.StateGraph(State, output_schema=Other).add_node("n", count).add_edge(e.START, "n").compile()
        return e.StateGraph(State).add_node("inner", inner).add_edge(e.START, "inner").compile()

    assert outer_writes_nothing(DRUMLINE).invoke(INPUT, subgraphs=True) == INPUT


class Other(TypedDict):
    unknown: NotRequired[str]


# -- Command(graph=PARENT) at the root ------------------------------------------------------------------


def asks_parent(e: Engine) -> Any:
    node = lambda _: e.Command(graph=e.Command.PARENT, update={"n": 5})  # noqa: E731
    return e.StateGraph(State).add_node("n", node).add_edge(e.START, "n").compile()


def test_parent_at_the_root_is_a_parent_command(other: Engine) -> None:
    errors = other.module("errors")
    with pytest.raises(errors.ParentCommand) as caught:
        other.runnable(asks_parent(other)).invoke(INPUT)
    assert caught.value.args[0].update == {"n": 5}
    if not other.adapts:
        assert isinstance(caught.value, errors.InvalidUpdateError)
        assert "node 'n'" in str(caught.value)


def test_a_node_may_catch_it_from_a_run_of_its_own(other: Engine) -> None:
    if other.adapts:
        pytest.skip("LangGraph's own code")

    def node(state: State) -> Any:
        try:
            asks_parent(other).invoke(state, {"configurable": {"thread_id": "own"}})
        except other.module("errors").NoParentGraph as error:
            return {"log": [type(error).__name__]}

    graph = other.StateGraph(State).add_node("n", node).add_edge(other.START, "n").compile()
    assert graph.invoke(INPUT)["log"] == ["NoParentGraph"]


def test_a_run_of_its_own_that_asks_its_parent_fails_its_node() -> None:
    def node(state: State) -> Any:
        return asks_parent(DRUMLINE).invoke(state, {"configurable": {"thread_id": "own"}})

    graph = StateGraph(State).add_node("outer", node).add_edge(START, "outer").compile()
    with pytest.raises(importlib.import_module("drumline.errors").NoParentGraph):
        graph.invoke(INPUT)


# -- JSON schemas ---------------------------------------------------------------------------------------


class Partly(TypedDict, total=False):
    must: Required[int]
    may: str | None


class Mostly(TypedDict):
    may: NotRequired[int]
    other: int | None
    noted: Annotated[NotRequired[str], "a note"]
    summed: NotRequired[Annotated[list[int], operator.add]]
    fixed: ReadOnly[int]


class Derived(State, total=False):
    more: str


@dataclass
class Data:
    must: int
    may: str = "a"
    none: int | None = None
    made: list[int] = field(default_factory=list)
    summed: Annotated[list[int], operator.add] = field(default_factory=list)


class Model(BaseModel):
    """A model."""

    must: int = PydanticField(description="needed")
    may: str = "a"
    none: int | None = None


class Nested(TypedDict):
    model: Model
    models: list[Model]


class Plain:
    must: int
    may: str = "b"


CLASSES = (State, Partly, Mostly, Derived, Data, Model, Nested, Plain)
SCHEMAS: dict[str, dict[str, Any]] = {
    **{schema.__name__: {"state_schema": schema} for schema in CLASSES},
    "input and output": {"state_schema": State, "input_schema": Partly, "output_schema": Data},
    "a list": {"state_schema": Annotated[list[int], operator.add]},
    "a number": {"state_schema": int},
    "context": {"state_schema": State, "context_schema": Partly},
    "context of data": {"state_schema": State, "context_schema": Data},
    "context of a model": {"state_schema": State, "context_schema": Model},
}  # fmt: skip


@pytest.mark.parametrize("which", ["input", "output", "context"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_json_schemas(name: str, which: str) -> None:
    def schema(e: Engine) -> Any:
        graph = e.StateGraph(**SCHEMAS[name]).add_node("n", lambda _: None).add_edge(e.START, "n").compile()
        return getattr(graph, f"get_{which}_jsonschema")()

    assert schema(DRUMLINE) == schema(LANGGRAPH)


def test_names_that_langgraph_gave_up_warn_with_its_class() -> None:
    for engine in (LANGGRAPH, DRUMLINE):
        since_v05 = engine.module("warnings").LangGraphDeprecatedSinceV05
        with pytest.warns(since_v05):
            engine.StateGraph(State, input=State)
        with pytest.warns(engine.module("warnings").LangGraphDeprecatedSinceV10):
            assert graph_of(engine).config_schema().model_json_schema()["properties"] == {}
