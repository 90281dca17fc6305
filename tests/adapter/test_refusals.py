"""What drumline does not run of a LangGraph graph is refused when the graph is adapted, by name and place."""

import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langgraph.channels import LastValue
from langgraph.graph import START, StateGraph
from langgraph.managed.base import ManagedValue
from langgraph.types import Command
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


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: one(OddState).compile(name="g"), ["Channel class", "Odd", "key 'key'", "langgraph.channels"]),
        (lambda: one(Clocked).compile(name="g"), ["Managed value Clock", "key 'clock'"]),
    ],
    ids=["channel", "managed"],
)
def test_a_graph_with_what_is_not_built_is_refused(make: Callable[[], Any], told: list[str]) -> None:
    with pytest.raises(FeatureNotBuilt) as caught:
        adapt(make())
    for part in told:
        assert part in str(caught.value)
    adapt(one().compile(name="g"))  # the same graph without it is taken


def test_a_refused_subgraph_refuses_the_graph() -> None:
    """A subgraph that is a node is planned too."""
    inner = one(OddState).compile(name="inner")
    with pytest.raises(FeatureNotBuilt, match=r"Channel class .*Odd"):
        adapt(one(node=inner).compile())


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
