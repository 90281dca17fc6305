"""What may be a node or a router, and which of its parameters are filled: the same as in LangGraph, or more."""

# ruff: noqa: ARG001, ARG002, ARG003, ARG004, ARG005 (nodes and routers must take the state)

import functools
import operator
from collections.abc import Callable
from typing import Annotated, Any, Optional
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda
from typing_extensions import TypedDict

from .engines import Engine
from .harness import ASYNC_ORACLE, raw, same


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


INPUT: State = {"n": 1, "log": []}


def one(e: Engine, node: Any, *, named: bool = True) -> Any:
    builder = e.StateGraph(State)
    builder.add_node("node", node) if named else builder.add_node(node)
    name = next(iter(builder.nodes))
    return builder.add_edge(e.START, name).compile()


def named_mock() -> Mock:
    mock = Mock(return_value={"n": 2})
    mock.__name__ = "mocked"
    return mock


class Model:
    """A class of the kinds of callables that people hand over."""

    def __call__(self, state: State) -> State:
        return {"n": 3}

    def method(self, state: State, *, config: RunnableConfig) -> State:
        return {"log": [type(config).__name__]}

    @classmethod
    def of_class(cls, state: State, config: Optional[RunnableConfig] = None) -> State:  # noqa: UP045
        return {"log": [type(config).__name__]}

    @staticmethod
    def static(state: State, config: "RunnableConfig") -> State:
        return {"log": [type(config).__name__]}


def with_more(state: State, more: int, config: RunnableConfig) -> State:
    return {"n": more, "log": [type(config).__name__]}


def yields_one(_: State) -> Any:
    yield {"n": 5}


def yields_none(_: State) -> Any:
    return
    yield


def yields_more(_: State, more: int) -> Any:
    yield {"n": more}


def takes_all(state: State, *, config, writer, store, runtime, previous) -> State:  # type: ignore[no-untyped-def]
    found = [type(config), callable(writer), store, hasattr(runtime, "context"), previous]
    return {"log": [str(item) for item in found]}


def in_any_order(state: State, runtime, writer, config) -> State:  # type: ignore[no-untyped-def]
    return {"log": [str(hasattr(runtime, "context")), str(callable(writer)), type(config).__name__]}


def only_args(*args: Any) -> State:
    return {"log": [str(len(args))]}


def args_and_keywords(*args: Any, **more: Any) -> State:
    return {"log": [str(len(args)), *sorted(more)]}


def with_default(state: State, more: int = 3) -> State:
    return {"n": more}


NODES: dict[str, Callable[[], Any]] = {
    "Mock": lambda: Mock(return_value={"n": 2}),
    "Mock with a name": named_mock,
    "MagicMock": lambda: MagicMock(return_value={"n": 2}),
    "Mock that has invoke": lambda: Mock(return_value={"n": 2}, invoke=Mock(return_value={"n": 9})),
    "dict of runnables": lambda: {"n": lambda state: state["n"] + 4, "log": RunnableLambda(lambda _: ["in"])},
    "empty dict": dict,
    "partial": lambda: functools.partial(with_more, more=7),
    "callable instance": Model,
    "bound method": lambda: Model().method,
    "classmethod": lambda: Model.of_class,
    "staticmethod": lambda: Model.static,
    "lambda": lambda: lambda state: {"n": state["n"] + 1},
    "lambda with config": lambda: lambda state, config: {"log": [type(config).__name__]},
    "generator": lambda: yields_one,
    "generator that yields nothing": lambda: yields_none,
    "partial of a generator": lambda: functools.partial(yields_more, more=2),
    "all by keyword": lambda: takes_all,
    "in any order": lambda: in_any_order,
    "*args": lambda: only_args,
    "*args, **kwargs": lambda: args_and_keywords,
    "default": lambda: with_default,
    "singledispatch": lambda: functools.singledispatch(eight),
}


def eight(_: Any) -> State:
    return {"n": 8}


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", NODES)
def test_kinds_of_nodes(other: Engine, kind: str, use_async: bool) -> None:
    same(lambda e: one(e, NODES[kind]()), other, INPUT, use_async=use_async, exact=True, modes=["updates", "values"])


@pytest.mark.parametrize("kind", NODES)
def test_names_of_nodes(other: Engine, kind: str) -> None:
    same(lambda e: one(e, NODES[kind](), named=False), other, INPUT, ["updates"])


async def yields_async(_: State) -> Any:
    yield {"n": 5}


@pytest.mark.parametrize("node", [yields_async, AsyncMock(return_value={"n": 6})], ids=["generator", "AsyncMock"])
def test_async_kinds(other: Engine, node: Any) -> None:
    """Under async calls as in LangGraph; under sync ones too, where LangGraph raises."""
    same(lambda e: one(e, node), other, INPUT, ["updates"], use_async=True)
    if not other.adapts and other.root == "drumline":
        items, error = raw(one(other, node), INPUT, stream_mode="updates")
        assert error is None and len(items) == 1


def yields_twice(_: State) -> Any:
    yield {"n": 1}
    yield {"log": ["last"]}


def test_a_generator_that_yields_twice_counts_by_its_last_and_warns(other: Engine) -> None:
    same(lambda e: one(e, yields_twice), other, INPUT, ["updates"])
    if other.root == "drumline":
        warning = other.module("warnings").LostUpdateWarning
        with pytest.warns(warning, match=r"Node 'node' yielded more than one result.*only what it yielded last"):
            one(other, yields_twice).invoke(INPUT)


def yields_lists(_: list[str]) -> Any:
    yield ["a"]
    yield ["b"]


def test_what_a_generator_yields_is_added(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return e.StateGraph(list).add_node("n", yields_lists).add_edge(e.START, "n").compile()

    same(build, other, ["x"], ["updates"])


WRONG: dict[str, Any] = {
    "dict of constants": {"n": 5},
    "list": [with_default],
    "number": 3,
    "class with invoke only": type("Half", (), {"invoke": lambda self, state, config=None: {}})(),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_node(other: Engine, kind: str) -> None:
    with pytest.raises(TypeError):
        one(other, WRONG[kind])


@pytest.mark.parametrize("optional", ["|", "Optional", "string"])
def test_an_optional_writer_is_given(other: Engine, optional: str) -> None:
    """In LangGraph it is None, without a word."""
    if other.root == "langgraph":
        pytest.skip("LangGraph does otherwise")
    from drumline.types import StreamWriter

    hints: dict[str, Any] = {
        "|": StreamWriter | None,
        "Optional": Optional[StreamWriter],  # noqa: UP045
        "string": "StreamWriter | None",
    }

    def node(state: State, writer: Any = None) -> None:
        writer("heard")

    node.__annotations__["writer"] = hints[optional]
    items, error = raw(one(other, node), INPUT, stream_mode="custom")
    assert (items, error) == (["heard"], None)


ROUTERS: dict[str, Callable[[], Any]] = {
    "Mock": lambda: Mock(return_value="b"),
    "partial": lambda: functools.partial(lambda state, to: to, to="b"),
    "Runnable": lambda: RunnableLambda(to_b),
    "method": lambda: Chooser().choose,
    "instance": lambda: Chooser(),
}


def to_b(_: Any) -> str:
    return "b"


class Chooser:
    def choose(self, state: State, config: RunnableConfig) -> str:
        return "b" if config["configurable"] is not None else "__end__"

    def __call__(self, state: State) -> str:
        return "b"


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ROUTERS)
def test_kinds_of_routers(other: Engine, kind: str, use_async: bool) -> None:
    if use_async and not ASYNC_ORACLE:
        pytest.skip("no oracle")

    def build(e: Engine) -> Any:
        builder = e.StateGraph(State).add_node("a", with_default).add_node("b", with_default)
        return builder.add_edge(e.START, "a").add_conditional_edges("a", ROUTERS[kind]()).compile()

    same(build, other, INPUT, ["updates"], use_async=use_async)
