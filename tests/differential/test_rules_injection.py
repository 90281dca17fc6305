"""Managed values, context, config, writers and forms of nodes: docs/semantics.md §3.10."""

import dataclasses
import operator
from typing import Annotated, Any, Optional, TypedDict

import pydantic
import pytest
from langchain_core.runnables import RunnableConfig

from .engines import Engine
from .harness import ALL_MODES, same, same_outcome
from .states import EMPTY, Log, chain, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])

# -- managed values ------------------------------------------------------------------------------


@both_ways
def test_managed_values(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        class State(TypedDict):
            last: e.IsLastStep
            log: Annotated[list, operator.add]
            left: e.RemainingSteps

        def node(state: Any, writer: e.StreamWriter) -> Any:
            writer({"saw": dict(state)})
            return {"log": [state["left"]]}

        def route(state: Any) -> str:
            e.get_stream_writer()({"route": dict(state)})
            return e.END if state["last"] or len(state["log"]) > 5 else "n"

        return (
            e.StateGraph(State)
            .add_node("n", node)
            .add_edge(e.START, "n")
            .add_conditional_edges("n", route, ["n", e.END])
            .compile()
        )

    for limit in (2, 4, 30):
        config = {"recursion_limit": limit}
        same(build, other, EMPTY, exact=True, use_async=use_async, config=config)


# -- injection -----------------------------------------------------------------------------------


@dataclasses.dataclass
class Context:
    who: str
    times: int = 2


class ContextModel(pydantic.BaseModel):
    who: str
    times: int = 2


class ContextDict(TypedDict):
    who: str


@both_ways
@pytest.mark.parametrize("schema", [None, Context, ContextModel, ContextDict])
@pytest.mark.parametrize("context", [None, {"who": "me"}, "object"], ids=str)
def test_context(other: Engine, schema: Any, context: Any, use_async: bool) -> None:
    if context == "object":
        context = schema(who="you") if schema else {"free": "form"}

    def build(e: Engine) -> Any:
        def inner(_: Any, runtime: e.Runtime) -> Any:
            return {"log": [("inner", runtime.context)]}

        def outer(_: Any, runtime: e.Runtime) -> Any:
            runtime.stream_writer("via runtime")
            again = e.get_runtime().context
            return {"log": [type(runtime.context).__name__, runtime.context, again]}

        child = chain(e, inner)
        builder = e.StateGraph(Log, context_schema=schema) if schema else e.StateGraph(Log)
        builder.add_node("n1", outer).add_node("n2", child)
        return builder.add_edge(e.START, "n1").add_edge("n1", "n2").compile()

    same(build, other, EMPTY, exact=True, words=False, use_async=use_async, context=context)


def test_context_that_does_not_fit(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log, context_schema=Context)
        return builder.add_node("n", says("n")).add_edge(e.START, "n").compile()

    same(build, other, EMPTY, exact=True, words=False, context={"times": 1})


def shown_config(config: Any) -> dict[str, Any]:
    """What a node may rely on in its config; keys of the frameworks' own stay out."""
    metadata = {k: v for k, v in config["metadata"].items() if not k.startswith(("ls_", "lc_"))}
    own = {k: v for k, v in config["configurable"].items() if not k.startswith(("__", "checkpoint"))}
    return {
        "tags": sorted(config.get("tags") or []),
        "metadata": dict(sorted(metadata.items())),
        "configurable": own,
        "recursion_limit": config.get("recursion_limit"),
        "max_concurrency": config.get("max_concurrency"),
    }


CONFIGS: list[dict[str, Any]] = [
    {},
    {"configurable": {"who": "me", "thread_id": "t1", "assistant_id": "a"}},
    {"tags": ["u1", "u2"], "metadata": {"m": 1}},
    {"recursion_limit": 9, "max_concurrency": 7},
    {"configurable": {"__hidden": 1, "k": {"deep": [1]}}, "run_name": "my run"},
]


@both_ways
@pytest.mark.parametrize("number", range(len(CONFIGS)))
def test_config_seen_by_nodes(other: Engine, number: int, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        def node(_: Any, config: RunnableConfig) -> Any:
            return {"log": [shown_config(config)]}

        def sent(_: Any, *, config: Optional[RunnableConfig] = None) -> Any:  # noqa: UP045
            return {"log": [shown_config(config)]}

        def bare(_: Any, config) -> Any:  # type: ignore[no-untyped-def]
            assert shown_config(e.get_config()) == shown_config(config)
            return {"log": [shown_config(config)]}

        child = chain(e, bare)
        return (
            e.StateGraph(Log)
            .add_node("n", node, metadata={"of": "node"})
            .add_node("child", child)
            .add_node("sent", sent)
            .add_edge(e.START, "n")
            .add_edge("n", "child")
            .add_conditional_edges("n", lambda _: [e.Send("sent", {}), e.Send("sent", {})])
            .compile()
        )

    same(build, other, EMPTY, use_async=use_async, config=CONFIGS[number])


@pytest.mark.parametrize("kind", ["param", "get", "runtime", "config and writer", "positional"])
@both_ways
def test_ways_to_a_writer(other: Engine, kind: str, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        def param(_: Any, writer: e.StreamWriter) -> None:
            writer(1)

        def get(_: Any) -> None:
            e.get_stream_writer()(2)

        def runtime(_: Any, runtime: e.Runtime) -> None:
            runtime.stream_writer(3)

        def both(_: Any, config: RunnableConfig, *, writer) -> None:  # type: ignore[no-untyped-def]
            writer(len(config["configurable"]) > 0)

        def positional(_: Any, config: RunnableConfig, /) -> None:
            e.get_stream_writer()(config)

        nodes = {
            "param": param,
            "get": get,
            "runtime": runtime,
            "config and writer": both,
            "positional": positional,
        }
        return chain(e, nodes[kind])

    same(build, other, EMPTY, exact=True, words=False, use_async=use_async)


def test_writer_is_silent_unless_asked(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def node(_: Any, writer: e.StreamWriter) -> Any:
            writer(object())
            e.get_stream_writer()(object())
            return {"log": [callable(writer)]}

        return chain(e, node)

    same(build, other, EMPTY, ["values", "tasks"], exact=True)
    same_outcome(lambda e: build(e).invoke(EMPTY), other)


@pytest.mark.parametrize("name", ["get_stream_writer", "get_config", "get_runtime"])
def test_outside_of_a_run(other: Engine, name: str) -> None:
    same_outcome(lambda e: getattr(e, name)(), other, words=False)


def test_node_kinds(other: Engine) -> None:
    """Bound methods, partials, callables, classes, keyword defaults and LangChain runnables."""
    from functools import partial

    from langchain_core.runnables import RunnableLambda

    class Thing:
        def __call__(self, state: Any) -> Any:
            return {"log": [f"call {len(state['log'])}"]}

        def method(self, state: Any, default: int = 3) -> Any:
            return {"log": [f"method {default} {len(state['log'])}"]}

    def with_default(_: Any, extra: str = "x", *, more: int = 1) -> Any:
        return {"log": [extra, more]}

    def build(e: Engine) -> Any:
        return chain(
            e,
            Thing(),
            Thing().method,
            partial(with_default, extra="p"),
            RunnableLambda(lambda s: {"log": [len(s["log"])]}),
            RunnableLambda(lambda s: s["log"]) | (lambda log: {"log": [f"piped {len(log)}"]}),
        )

    same(build, other, EMPTY, ALL_MODES, exact=True)
    same(build, other, EMPTY, ALL_MODES, exact=True, use_async=True)


def test_tasks_metadata(other: Engine) -> None:
    """`metadata` of a start event: what the node and the caller gave, without framework keys."""

    def build(e: Engine) -> Any:
        return (
            e.StateGraph(Log)
            .add_node("n", says("n"), metadata={"of": "node", "pool": "default"})
            .add_node("m", says("m"))
            .add_edge(e.START, "n")
            .add_edge(e.START, "m")
            .compile()
        )

    for config in ({}, {"metadata": {"u": 1}}, {"tags": ["a", "b"]}, {"configurable": {"x": 1}}):
        stream = same(build, other, EMPTY, config=config)
        starts = [p for p in stream.payloads("tasks") if "triggers" in p]
        assert starts[1]["metadata"]["of"] == "node"
