"""What drumline does not run of a LangGraph graph is refused when the graph is adapted, by name and place."""

import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.channels import LastValue
from langgraph.graph import START, StateGraph
from langgraph.managed.base import ManagedValue
from langgraph.types import Command, Send, TimeoutPolicy
from typing_extensions import TypedDict

from drumline.errors import FeatureNotBuilt
from drumline.graph import StateGraph as OurStateGraph
from drumline.langgraph import adapt


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


class Odd(LastValue[Any]):
    """A channel class of a user."""


class Clock(ManagedValue[int]):
    """A managed value of a user."""

    @staticmethod
    def get(scratchpad: Any) -> int:
        return int(scratchpad.step)


class OddState(TypedDict):
    key: Annotated[str, Odd(str)]


class Clocked(TypedDict):
    log: Annotated[list[str], operator.add]
    clock: Annotated[int, Clock]


def says(_: Any) -> dict[str, Any]:
    return {"log": ["n"]}


def one(schema: Any = Log, node: Any = says, **options: Any) -> Any:
    return StateGraph(schema).add_node("n", node, **options).add_edge(START, "n")


def handled() -> Any:
    return one(error_handler=lambda _: {"log": ["mended"]}).compile(name="g")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: one().compile(cache=InMemoryCache(), name="g"), ["compile(cache=...)"]),
        (handled, ["error_handler=", "node "]),
        (lambda: one(OddState).compile(name="g"), ["Channel class", "Odd", "key 'key'", "langgraph.channels"]),
        (lambda: one(Clocked).compile(name="g"), ["Managed value Clock", "key 'clock'"]),
    ],
    ids=["cache", "step-timeout", "error-handler", "channel", "managed"],
)
def test_a_graph_with_what_is_not_built_is_refused(make: Callable[[], Any], told: list[str]) -> None:
    with pytest.raises(FeatureNotBuilt) as caught:
        adapt(make())
    for part in told:
        assert part in str(caught.value)
    adapt(one().compile(name="g"))  # the same graph without it is taken


def test_a_refused_subgraph_refuses_the_graph() -> None:
    """A subgraph that is a node is planned too."""
    inner = one().compile(cache=InMemoryCache(), name="inner")
    with pytest.raises(FeatureNotBuilt, match="LangGraph graph 'inner'"):
        adapt(one(node=inner).compile())


async def waits(_: Any) -> dict[str, Any]:
    return {"log": ["n"]}


@pytest.mark.parametrize("from_router", [False, True])
def test_a_timeout_of_a_send_fails_the_task(from_router: bool) -> None:
    """It is known only when the node or router has run."""

    def sends(_: Any) -> Any:
        return [Send("n", {"log": []}, timeout=TimeoutPolicy(run_timeout=1.0))]

    builder = StateGraph(Log).add_node("n", waits)  # type: ignore[arg-type]
    if from_router:
        builder.add_node("a", says).add_edge(START, "a").add_conditional_edges("a", sends, ["n"])  # type: ignore[arg-type]
    else:
        builder.add_node("a", lambda _: Command(goto=sends(_))).add_edge(START, "a")
    with pytest.raises(FeatureNotBuilt, match=r"A timeout of a Send.*Send to node 'n'.*give the node itself"):
        adapt(builder.compile()).invoke({"log": []})


def test_an_answer_needs_a_checkpointer() -> None:
    graph = adapt(one().compile(name="asked"))
    with pytest.raises(RuntimeError, match=r"Command\(resume=\.\.\.\) without checkpointer.*'asked'"):
        graph.invoke(Command(resume="yes"))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (one(), "add .compile()"),
        (None, "not a builtins.NoneType"),
        ("app:graph", "not a builtins.str"),
        (says, "not a builtins.function"),
        (OurStateGraph(Log).add_node("n", says).add_edge("__start__", "n").compile(), "CompiledStateGraph"),
    ],
    ids=["builder", "nothing", "text", "function", "our-own"],
)
def test_what_is_no_graph_of_langgraph_is_a_type_error(value: Any, told: str) -> None:
    with pytest.raises(TypeError, match="takes a graph that LangGraph compiled") as caught:
        adapt(value)
    assert told in str(caught.value)
