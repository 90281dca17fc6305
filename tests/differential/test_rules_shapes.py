"""Shapes of items, output keys, v2 parts, print_mode, invoke and batch.

docs/semantics.md §1.1, §1.2, §1.10.
"""

import asyncio
import contextlib
import dataclasses
import io
import re
from typing import Annotated, Any, TypedDict

import pydantic
import pytest
from langchain_core.runnables import RunnableConfig

from .engines import LANGGRAPH, Engine
from .harness import outcome, raw, same_outcome
from .normal import UUID, show
from .states import Log, chain, says


class Joke(TypedDict):
    topic: str
    joke: str
    secret: int


class JokeModel(pydantic.BaseModel):
    topic: str
    joke: str = "none yet"
    secret: int = 3


@dataclasses.dataclass
class JokeData:
    topic: str
    joke: str = "none yet"
    secret: int = 3


class OnlyJoke(TypedDict):
    joke: str


class OnlyJokeModel(pydantic.BaseModel):
    joke: str
    secret: int = 9


def get(state: Any, key: str) -> Any:
    return state[key] if isinstance(state, dict) else getattr(state, key)


def build_for(schema: Any, **schemas: Any) -> Any:
    def build(e: Engine) -> Any:
        def refine(state: Any) -> Any:
            return {"topic": get(state, "topic") + "!"}

        def tell(state: Any, writer: e.StreamWriter) -> Any:
            writer({"seen": get(state, "topic")})
            return {"joke": f"on {get(state, 'topic')}", "secret": 4}

        child = e.StateGraph(schema).add_node("tell", tell).add_edge(e.START, "tell").compile()
        return (
            e.StateGraph(schema, **schemas)
            .add_node("refine", refine)
            .add_node("child", child)
            .add_node("nothing", lambda _: None)
            .add_edge(e.START, "refine")
            .add_edge("refine", "child")
            .add_edge("child", "nothing")
            .compile()
        )

    return build


def shown(items: list[Any], error: Any = None) -> list[str]:
    """Items item by item, ids and timestamps out."""
    lines = [re.sub(r"'timestamp': '[^']*'", "", show(item)) for item in items]
    return [UUID.sub("<id>", line) for line in [*lines, f"error {type(error).__name__}"]]


def same_items(build: Any, other: Engine, input: Any, **options: Any) -> list[Any]:
    """Every item in the very shape that the call yields."""
    items, error = raw(build(LANGGRAPH), input, **options)
    found, their_error = raw(build(other), input, **options)
    assert shown(found, their_error) == shown(items, error)
    return items


MODES: list[Any] = [
    "values",
    "updates",
    "custom",
    "tasks",
    "debug",
    ["updates"],
    ["values", "updates"],
    ["debug", "tasks", "custom", "updates", "values"],
    [],
]


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_shape_of_items(other: Engine, mode: Any, subgraphs: bool, version: str, use_async: bool) -> None:
    items = same_items(
        build_for(Joke),
        other,
        {"topic": "t"},
        stream_mode=mode,
        subgraphs=subgraphs,
        version=version,
        use_async=use_async,
    )
    if version == "v2":
        assert all(set(item) >= {"type", "ns", "data"} for item in items)
    elif isinstance(mode, list):
        assert all(len(item) == (3 if subgraphs else 2) for item in items)


@pytest.mark.parametrize("schema", [JokeModel, JokeData], ids=["pydantic", "dataclass"])
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("subgraphs", [False, True])
def test_coercion_to_schema_classes(other: Engine, schema: Any, version: str, subgraphs: bool) -> None:
    modes = ["values", "updates", "tasks", "debug", "custom"]
    for input in ({"topic": "t"}, schema(topic="t"), schema(topic="t", secret=7)):
        items = same_items(build_for(schema), other, input, stream_mode=modes, version=version, subgraphs=subgraphs)
        if version == "v2":
            values = [item["data"] for item in items if item["type"] == "values"]
            assert all(type(value) is schema for value in values)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("output", [OnlyJoke, OnlyJokeModel])
@pytest.mark.parametrize("schema", [Joke, JokeModel, JokeData])
def test_output_schema(other: Engine, schema: Any, output: Any, version: str) -> None:
    build = build_for(schema, output_schema=output)
    modes = ["values", "updates"]
    same_items(build, other, {"topic": "t"}, stream_mode=modes, version=version)
    same_outcome(lambda e: build(e).invoke({"topic": "t"}, version=version), other)


KEYS: list[Any] = ["joke", ["joke"], ["topic", "joke"], ["joke", "topic"], [], ["secret"]]


@pytest.mark.parametrize("keys", KEYS, ids=str)
@pytest.mark.parametrize("schema", [Joke, JokeModel])
def test_output_keys(other: Engine, keys: Any, schema: Any) -> None:
    for mode in ("values", "updates", "tasks", "debug"):
        same_items(build_for(schema), other, {"topic": "t"}, stream_mode=mode, output_keys=keys)
    same_items(
        build_for(schema),
        other,
        {"topic": "t"},
        stream_mode=["values", "updates", "tasks"],
        output_keys=keys,
        subgraphs=True,
    )


@pytest.mark.parametrize("keys", ["zz", ["joke", "zz"]])
def test_unknown_output_key(other: Engine, keys: Any) -> None:
    same_outcome(
        lambda e: list(build_for(Joke)(e).stream({"topic": "t"}, output_keys=keys)),
        other,
        words=False,
    )


INVOKE: list[dict[str, Any]] = [
    {},
    {"version": "v2"},
    {"stream_mode": "values"},
    {"stream_mode": "values", "version": "v2"},
    {"stream_mode": "updates"},
    {"stream_mode": "updates", "version": "v2"},
    {"stream_mode": ["updates"]},
    {"stream_mode": ["updates", "values"]},
    {"stream_mode": ["values", "custom"], "version": "v2"},
    {"stream_mode": "custom"},
    {"output_keys": "joke"},
    {"output_keys": ["joke", "secret"]},
    {"output_keys": []},
]


@pytest.mark.parametrize("options", INVOKE, ids=str)
@pytest.mark.parametrize("schema", [Joke, JokeModel, JokeData])
def test_invoke(other: Engine, schema: Any, options: dict[str, Any]) -> None:
    same_outcome(lambda e: build_for(schema)(e).invoke({"topic": "t"}, **options), other)
    same_outcome(lambda e: asyncio.run(build_for(schema)(e).ainvoke({"topic": "t"}, **options)), other)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_invoke_without_any_values(other: Engine, version: str) -> None:
    for node in (lambda _: None, says("n")):
        same_outcome(lambda e, node=node: chain(e, node).invoke({}, version=version), other)  # type: ignore[misc]
        same_outcome(
            lambda e, node=node: chain(e, node).invoke({"zz": 1}, output_keys="x", version=version),  # type: ignore[misc]
            other,
        )


def test_invoke_raises_what_the_node_raised(other: Engine) -> None:
    class MyError(Exception):
        def __init__(self, code: int) -> None:
            super().__init__(f"code {code}")
            self.code = code

    def node(_: Any) -> None:
        raise MyError(3)

    with pytest.raises(MyError) as caught:
        chain(other, node).invoke({"log": []})
    assert caught.value.code == 3
    same_outcome(lambda e: chain(e, node).invoke({"log": []}), other)


def test_batch(other: Engine) -> None:
    inputs = [{"topic": str(i)} for i in range(5)]
    configs = [{"recursion_limit": limit} for limit in (9, 3, 9, 2, 9)]

    def run(e: Engine) -> Any:
        graph = build_for(Joke)(e)
        results = graph.batch(inputs, configs, return_exceptions=True)
        return [outcome(lambda r=r: _raise(r)) for r in [*graph.batch(inputs), *results]]  # type: ignore[misc]

    def run_async(e: Engine) -> Any:
        graph = build_for(Joke)(e)
        plain = asyncio.run(graph.abatch(inputs))
        results = asyncio.run(graph.abatch(inputs, configs, return_exceptions=True))
        return [outcome(lambda r=r: _raise(r)) for r in [*plain, *results]]  # type: ignore[misc]

    same_outcome(run, other)
    same_outcome(run_async, other)
    same_outcome(lambda e: build_for(Joke)(e).batch(inputs, configs), other)
    same_outcome(lambda e: build_for(Joke)(e).batch([]), other)


def _raise(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result


PRINTS: list[dict[str, Any]] = [
    {"print_mode": "updates"},
    {"print_mode": ["values", "updates"]},
    {"print_mode": ["values", "custom"], "subgraphs": True},
    {"print_mode": "updates", "stream_mode": "values"},
    {"print_mode": "updates", "stream_mode": ["values"], "version": "v2"},
    {"print_mode": "custom", "stream_mode": "custom"},
    {"print_mode": ()},
    {"debug": True},
    {"debug": False},
]


@pytest.mark.parametrize("options", PRINTS, ids=str)
def test_print_mode(other: Engine, options: dict[str, Any]) -> None:
    """What is printed, and that it does not change what is yielded. Colours are left out."""

    def run(e: Engine) -> tuple[str, Any]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            items, error = raw(build_for(Joke)(e), {"topic": "t"}, **options)
        printed = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
        return UUID.sub("<id>", printed), shown(items, error)

    assert run(other) == run(LANGGRAPH)


def test_print_mode_of_invoke(other: Engine) -> None:
    def run(e: Engine) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            build_for(Joke)(e).invoke({"topic": "t"}, print_mode="values")
        return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())

    assert run(other) == run(LANGGRAPH)


def test_values_of_an_untyped_annotation(other: Engine) -> None:
    """Reducers over many kinds of types: which are there before any write, and with what."""
    import operator
    from collections.abc import MutableMapping, Sequence
    from typing import Optional

    def last(_: Any, new: Any) -> Any:
        return new

    class State(TypedDict):
        topic: str
        i: Annotated[int, operator.add]
        f: Annotated[float, operator.add]
        s: Annotated[str, operator.add]
        l: Annotated[list[str], operator.add]  # noqa: E741
        t: Annotated[tuple, operator.add]
        d: Annotated[dict[str, int], operator.or_]
        st: Annotated[set, operator.or_]
        seq: Annotated[Sequence[int], operator.add]
        mm: Annotated[MutableMapping[str, int], last]
        opt: Annotated[Optional[list], last]  # noqa: UP045
        union: Annotated[list | int, last]
        b: Annotated[bool, last]
        anything: Annotated[Any, last]

    def build(e: Engine) -> Any:
        return chain(e, lambda _: {"opt": 1, "anything": None}, lambda _: None, state=State)

    same_items(build, other, {"topic": "t"}, stream_mode=["values", "tasks"])
    same_items(build, other, {"topic": "t", "seq": [1], "union": 3, "st": {1}}, stream_mode="values")


def test_stream_inside_a_node_defaults_to_values(other: Engine) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, says("c1"), says("c2"))

        def node(state: Any) -> Any:
            return {"log": [list(child.stream(state)), list(child.stream(state, stream_mode="updates"))]}

        return chain(e, node)

    same_items(build, other, {"log": []}, stream_mode="updates")


def test_with_config_and_name(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def node(_: Any, config: RunnableConfig) -> Any:
            return {"log": [config["configurable"].get("who"), sorted(config["tags"])]}

        graph = e.StateGraph(Log).add_node("n", node).add_edge(e.START, "n").compile(name="who")
        return graph.with_config(configurable={"who": "me"}, tags=["t"])

    same_items(build, other, {"log": []}, stream_mode="updates")
    same_items(build, other, {"log": []}, stream_mode="updates", config={"tags": ["u"]})
    assert build(other).get_name() == build(LANGGRAPH).get_name() == "who"
