"""Build-time checks, names, signatures and what the compiled program holds."""

# ruff: noqa: ARG005 (nodes and routers must take the state)

from __future__ import annotations

import functools
import inspect
import operator
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, Literal

import langgraph.errors as their_errors
import langgraph.graph as their_graph
import langgraph.types as their_types
import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from typing_extensions import TypedDict

from drumline import types
from drumline_graph import errors
from drumline_graph.builder import StateGraph
from drumline_graph.constants import END, START
from drumline_graph.errors import FeatureNotBuilt, GraphDefinitionError, NotANodeError
from drumline_graph.types import Command


class State(TypedDict):
    l: Annotated[list, operator.add]  # noqa: E741
    n: int


def node(state: State) -> None: ...
def second(state: State) -> None: ...
def to_nowhere(state: State) -> Command[Literal["zz"]]: ...


def base() -> StateGraph[Any, Any, Any, Any]:
    return StateGraph(State).add_node("a", node).add_edge(START, "a")


Build = Callable[[Any], Any]

WRONG: dict[str, tuple[Build, str]] = {
    "no entry": (lambda g: StateGraph(State).add_node("a", node).compile(), "no entrypoint"),
    "unknown target": (lambda g: g.add_edge("a", "zz").compile(), "ending at unknown node 'zz'"),
    "unknown source": (lambda g: g.add_edge("zz", "a").compile(), "starting at unknown node 'zz'"),
    "router of unknown": (
        lambda g: g.add_conditional_edges("zz", node).compile(),
        "unknown node 'zz'",
    ),
    "router of END": (lambda g: g.add_conditional_edges(END, node).compile(), "unknown node"),
    "path_map": (
        lambda g: g.add_conditional_edges("a", node, {"x": "zz"}).compile(),
        "branch 'node' has an unknown target 'zz'",
    ),
    "path list": (lambda g: g.add_conditional_edges("a", node, ["zz"]).compile(), "target 'zz'"),
    "duplicate": (lambda g: g.add_node("a", node), "already present"),
    "START": (lambda g: g.add_node(START, node), "reserved"),
    "END": (lambda g: g.add_node(END, node), "reserved"),
    "colon": (lambda g: g.add_node("a:b", node), "':', a reserved character"),
    "bar": (lambda g: g.add_node("a|b", node), "reserved character"),
    "END source": (lambda g: g.add_edge(END, "a"), "END cannot be the start"),
    "START target": (lambda g: g.add_edge("a", START), "START cannot be the end"),
    "list, unknown source": (lambda g: g.add_edge(["a", "q"], "a"), "'q'.*add_node"),
    "list, unknown target": (lambda g: g.add_edge(["a"], "q"), "'q'.*add_node"),
    "list with START": (lambda g: g.add_edge([START, "a"], "a"), "START needs no waiting"),
    "list with END": (lambda g: g.add_edge([END, "a"], "a"), "END cannot be the start"),
    "empty list": (lambda g: g.add_edge([], "a"), "no sources"),
    "destinations": (
        lambda g: g.add_node("b", node, destinations=("zz",)).compile(),
        "'zz', from the destinations of node 'b'",
    ),
    "Command literal": (lambda g: g.add_node(to_nowhere).compile(), "unknown node 'zz'"),
    "two lambda routers": (
        lambda g: g.add_conditional_edges("a", lambda s: END).add_conditional_edges("a", lambda s: END),
        "Branch 'condition' already exists for node 'a'",
    ),
    "same router": (
        lambda g: g.add_conditional_edges("a", node).add_conditional_edges("a", node),
        "Branch 'node' already exists",
    ),
    "nothing to run": (lambda g: g.add_node("b"), "nothing to run"),
    "not callable": (lambda g: g.add_node("b", 5), "cannot be called"),
    "not callable, unnamed": (lambda g: g.add_node(5), "cannot be called"),
    "router not callable": (lambda g: g.add_conditional_edges("a", 5), "cannot be called"),
    "empty sequence": (lambda g: g.add_sequence([]), "at least one node"),
    "sequence twice": (lambda g: g.add_sequence([second, second]), "already present"),
    "interrupt": (lambda g: g.validate(["q"]), "Interrupt node 'q' not found"),
    "pool": (lambda g: g.add_node("b", node, metadata={"pool": 3}).compile(), "non-empty string"),
}


@pytest.mark.parametrize(("build", "text"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_work_is_refused(build: Build, text: str) -> None:
    with pytest.raises(GraphDefinitionError, match=text) as caught:
        build(base())
    assert isinstance(caught.value, ValueError)


def test_what_cannot_be_called_is_a_type_error_too() -> None:
    with pytest.raises(TypeError):
        base().add_node("b", 5)
    assert issubclass(NotANodeError, (ValueError, TypeError))


UNBUILT: dict[str, Build] = {
    "checkpointer": lambda g: g.compile(checkpointer=object()),
    "interrupt_before": lambda g: g.compile(interrupt_before=["a"]),
    "interrupt_after": lambda g: g.compile(interrupt_after="*"),
}


@pytest.mark.parametrize("build", UNBUILT.values(), ids=UNBUILT.keys())
def test_unbuilt_parts_are_refused_and_not_ignored(build: Build) -> None:
    with pytest.raises(FeatureNotBuilt, match="not built") as caught:
        build(base())
    assert isinstance(caught.value, NotImplementedError)
    assert isinstance(caught.value, errors.DrumlineError)


def test_defaults_of_unbuilt_parts_are_accepted() -> None:
    base().set_node_defaults().compile(checkpointer=False, interrupt_before=[])


class Callme:
    async def __call__(self, state: State) -> None: ...

    def method(self, state: State) -> None: ...


def graph_as_node(graph: Any) -> Any:
    return graph(State).add_node("x", node).add_edge(START, "x").compile()


NAMED: dict[str, Any] = {
    "function": node,
    "lambda": lambda state: None,
    "partial": functools.partial(node),
    "object": Callme(),
    "method": Callme().method,
    "runnable": RunnableLambda(node),
    "named runnable": RunnableLambda(lambda state: state, name="mine"),
    "sequence": RunnableLambda(node) | RunnableLambda(second),  # type: ignore[arg-type]
    "compiled": graph_as_node(their_graph.StateGraph),
}


@pytest.mark.parametrize("action", NAMED.values(), ids=NAMED.keys())
def test_inferred_names_are_langgraphs(action: Any) -> None:
    ours, theirs = StateGraph(State), their_graph.StateGraph(State)
    assert list(ours.add_node(action).nodes) == list(theirs.add_node(action).nodes)


async def async_node(state: State) -> None: ...


class NeedsLoop:
    """A Runnable whose sync half cannot do all of its work."""

    needs_event_loop = True

    def invoke(self, state: State, config: Any = None) -> None: ...

    async def ainvoke(self, state: State, config: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("action", "sync", "asynchronous"),
    [
        (node, True, False),
        (async_node, False, True),
        (functools.partial(async_node), False, True),
        (Callme(), False, True),
        (Callme().method, True, False),
        (RunnableLambda(node), True, True),
        (NeedsLoop(), False, True),
    ],
)
def test_how_a_node_can_run(action: Any, sync: bool, asynchronous: bool) -> None:
    compiled = StateGraph(State).add_node("a", action).add_edge(START, "a").compile().nodes["a"]
    assert (compiled.has_sync, compiled.has_async) == (sync, asynchronous)
    assert compiled.is_async == (not sync)


def bare(state, writer, config, store, runtime, previous): ...  # type: ignore[no-untyped-def]
def typed(state, *, writer: types.StreamWriter, config: RunnableConfig | None = None): ...  # type: ignore[no-untyped-def]
def texts(state: Any, writer: "StreamWriter", config: "RunnableConfig | None"): ...  # type: ignore[name-defined]  # noqa: F821, UP037
def wrong(state, writer: int, store: str): ...  # type: ignore[no-untyped-def]
def first_is_state(config): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("action", "wants"),
    [
        (bare, ("writer", "config", "store", "runtime", "previous")),
        (typed, ("writer", "config")),
        (texts, ("writer", "config")),
        (wrong, ()),
        (first_is_state, ()),
        (functools.partial(bare, previous=1), ("writer", "config", "store", "runtime", "previous")),
    ],
)
def test_injected_parameters(action: Any, wants: tuple[str, ...]) -> None:
    graph = StateGraph(State).add_node("a", action).add_edge(START, "a")
    assert graph.compile().nodes["a"].wants == wants


def test_a_wrongly_annotated_config_is_warned_about() -> None:
    def with_dict(state: Any, config: dict) -> None: ...  # type: ignore[type-arg]

    with pytest.warns(UserWarning, match="annotated.*so no config is passed"):
        graph = StateGraph(State).add_node("a", with_dict)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert graph.add_edge(START, "a").compile().nodes["a"].wants == ()


def test_program_of_a_graph() -> None:
    graph = base().add_node("d", second, defer=True, metadata={"pool": "gpu"})
    graph.add_edge("a", "d").add_edge(["a", "d"], "d").set_finish_point("d")
    program = graph.compile(name="mine")
    assert program.name == "mine"
    assert program.nodes["d"].triggers == ("branch:to:d", "join:a+d:d")
    assert program.nodes["d"].pool == "gpu"
    assert program.nodes["a"].pool == "default"
    assert program.nodes["a"].edges == (("branch:to:d", None), ("join:a+d:d", "a"))
    assert program.start.edges == (("branch:to:a", None),)
    assert program.start.triggers == ("__start__",)
    assert {name: ch.kind for name, ch in program.channels.items()} == {
        "l": "binop",
        "n": "last_value",
        "__start__": "ephemeral",
        "__pregel_tasks": "topic",
        "branch:to:a": "ephemeral",
        "branch:to:d": "last_value_after_finish",
        "join:a+d:d": "barrier_after_finish",
    }
    assert program.trigger_to_nodes["join:a+d:d"] == ("d",)
    assert program.finishing == ("branch:to:d", "join:a+d:d")


def test_a_compiled_program_does_not_see_later_changes(caplog: pytest.LogCaptureFixture) -> None:
    graph = base()
    program = graph.compile()
    graph.add_node("late", second)
    assert "late" not in program.nodes
    assert "already compiled" in caplog.text


def test_subgraphs_are_found() -> None:
    inner = base().compile()

    class Compiled:
        program = inner

        def __call__(self, state: Any) -> Any: ...

    outer = StateGraph(State).add_node("sub", Compiled()).add_edge(START, "sub").compile()
    assert outer.nodes["sub"].subprogram is inner


def test_node_input_schema_from_the_first_parameter() -> None:
    class Private(TypedDict):
        n: int
        secret: str

    def reads_private(state: Private) -> None: ...

    reads_private.__annotations__["state"] = Private
    graph = base().add_node(reads_private).add_node("given", node, input_schema=Private)
    program = graph.compile()
    assert program.nodes["reads_private"].input_keys == ["n", "secret"]
    assert program.nodes["given"].input_keys == ["n", "secret"]
    assert "secret" in program.stream_keys
    assert "secret" not in program.output_keys


def test_former_keywords_still_work() -> None:
    with pytest.warns(DeprecationWarning, match="input_schema"):
        graph = StateGraph(State, input=State)
    assert graph.input_schema is State
    with pytest.raises(TypeError, match="unexpected keyword arguments: nonsense"):
        StateGraph(State, nonsense=1)


class TestFingerprint:
    def test_is_the_same_for_the_same_graph(self) -> None:
        assert base().compile().fingerprint == base().compile().fingerprint

    @pytest.mark.parametrize(
        "build",
        [
            lambda: base().add_node("b", node).compile(),
            lambda: base().add_edge("a", "a").compile(),
            lambda: base().add_conditional_edges("a", node).compile(),
            lambda: StateGraph(State).add_node("a", node, defer=True).add_edge(START, "a").compile(),
            lambda: StateGraph(State).add_node("a", node, metadata={"pool": "x"}).add_edge(START, "a").compile(),
            lambda: base().compile(name="other"),
        ],
    )
    def test_tells_graphs_apart(self, build: Any) -> None:
        assert build().fingerprint != base().compile().fingerprint

    def test_version_counts_and_code_does_not(self) -> None:
        from drumline_graph.compile import compile_program

        assert compile_program(base(), version="2").fingerprint != base().compile().fingerprint
        other = StateGraph(State).add_node("a", lambda state: None).add_edge(START, "a")
        assert other.compile().fingerprint == base().compile().fingerprint

    def test_is_the_same_in_another_process(self) -> None:
        code = (
            "from typing import Annotated, TypedDict\n"
            "from drumline_graph.builder import StateGraph\n"
            "class S(TypedDict):\n    l: Annotated[list, lambda a, b: a + b]\n    s: set\n"
            "g = StateGraph(S).add_node('b', print).add_node('a', print).add_edge('__start__', "
            "'a')\n"
            "print(g.compile().fingerprint)"
        )
        runs = {
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONHASHSEED": seed},
            ).stdout
            for seed in ("1", "2")
        }
        assert len(runs) == 1


NAMES = [
    "CachePolicy", "Command", "GraphOutput", "Interrupt", "Overwrite", "PregelExecutableTask",
    "PregelTask", "RetryPolicy", "Send", "StateSnapshot", "StateUpdate", "TimeoutPolicy",
    "TracePolicy", "interrupt",
]  # fmt: skip


@pytest.mark.parametrize("name", [*their_types.__all__, *their_errors.__all__])
def test_every_public_name_of_langgraph_is_there(name: str) -> None:
    assert hasattr(types, name) or hasattr(errors, name)


@pytest.mark.parametrize("name", NAMES)
def test_constructors_take_what_langgraphs_take(name: str) -> None:
    theirs = inspect.signature(getattr(their_types, name))
    ours = inspect.signature(getattr(types, name))
    known = {p.name: p.kind for p in ours.parameters.values()}
    for parameter in theirs.parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            assert known.get(parameter.name) == parameter.kind


@pytest.mark.parametrize(
    "method",
    [
        "__init__", "add_node", "add_edge", "add_conditional_edges", "add_sequence", "compile",
        "set_entry_point", "set_conditional_entry_point", "set_finish_point", "set_node_defaults",
        "validate",
    ],
)  # fmt: skip
def test_builder_methods_take_what_langgraphs_take(method: str) -> None:
    theirs = inspect.signature(getattr(their_graph.StateGraph, method))
    ours = inspect.signature(getattr(StateGraph, method))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


def test_reprs_are_langgraphs() -> None:
    assert repr(Command(update={"a": 1}, goto="x")) == "Command(update={'a': 1}, goto='x')"
    assert repr(Command()) == "Command()"
    assert repr(types.Send("a", 1)) == "Send(node='a', arg=1)"
    assert types.Send("a", 1) == types.Send("a", 1)
    assert types.Interrupt(1, "x") == types.Interrupt(1, id="x")


def test_importing_the_builder_is_cheap() -> None:
    code = (
        "import sys, drumline_graph.builder, drumline_graph.compile\n"
        "print([m for m in ('pydantic', 'langchain_core', 'asyncio', 'redis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_schemas_are_told_as_langgraphs_builder_tells_them() -> None:
    """Packages look there for the keys of a builder that they are given: `builder.schemas[builder.state_schema]`."""

    class Out(TypedDict):
        n: int

    ours, theirs = StateGraph(State, output_schema=Out), their_graph.StateGraph(State, output_schema=Out)
    assert {schema: list(keys) for schema, keys in ours.schemas.items()} == {
        schema: list(keys) for schema, keys in theirs.schemas.items()
    }
    assert ours.schemas[ours.state_schema]["n"] is ours.channels["n"]
