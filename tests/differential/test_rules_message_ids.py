"""Which messages reach the `messages` stream, and with which ids: every way out of a node, for every kind of reducer.

Streams of `messages` alone are compared item by item. Where every message of the input has an id all modes are compared
too; where one has none, LangGraph's by-reference state shows an id that a later node's copy got, and a copy does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, convert_to_messages
from pydantic import BaseModel
from typing_extensions import TypedDict

from .engines import Engine
from .harness import ALL_MODES, record, same
from .models import Parrot, Whole
from .states import chain


def plus(old: Any, new: Any) -> list[Any]:
    """A reducer that knows nothing of messages."""
    return [*(old or []), *(new if isinstance(new, list) else [new])]


def batch_plus(old: Any, writes: Any) -> list[Any]:
    """The same for a delta channel."""
    for write in writes:
        old = plus(old, write)
    return old


def converted(old: Any, new: Any) -> list[Any]:
    """A reducer that makes messages, without ids."""
    return [*old, *convert_to_messages(new)]


class Plain(TypedDict, total=False):
    messages: Annotated[list, plus]


class Last(TypedDict, total=False):
    messages: list


class Converted(TypedDict, total=False):
    messages: Annotated[list, converted]


@dataclass
class AsClass:
    messages: Annotated[list, plus] = field(default_factory=list)


class AsModel(BaseModel):
    messages: Annotated[list[Any], plus] = []


def delta(e: Engine, reducer: Any) -> Any:
    class Delta(TypedDict, total=False):
        messages: Annotated[list, e.DeltaChannel(reducer)]

    return Delta


def langgraphs_reducer() -> Any:
    from langgraph.graph.message import _messages_delta_reducer

    return _messages_delta_reducer


STATES: dict[str, Callable[[Engine], Any]] = {
    "add_messages": lambda e: e.MessagesState,
    "plain": lambda _: Plain,
    "last": lambda _: Last,
    "dataclass": lambda _: AsClass,
    "pydantic": lambda _: AsModel,
    "delta": lambda e: delta(e, batch_plus),
    "delta of messages": lambda e: delta(e, langgraphs_reducer()),
}

RESULTS: dict[str, Callable[[Engine], Any]] = {
    "list": lambda _: {"messages": [AIMessage("one"), AIMessage("two", id="i")]},
    "command": lambda e: e.Command(update={"messages": [AIMessage("c1"), AIMessage("c2", id="c2")]}),
    "commands": lambda e: [
        e.Command(update={"messages": [AIMessage("c1")]}),
        {"messages": [AIMessage("d")]},
        e.Command(update={"messages": [AIMessage("e")]}),
    ],
    "pairs": lambda e: e.Command(update=[("messages", [AIMessage("c1")]), ("messages", [AIMessage("c2")])]),
    "overwrite": lambda e: {"messages": e.Overwrite([AIMessage("o")])},
    "overwrite as dict": lambda _: {"messages": {"__overwrite__": [AIMessage("o")]}},
    "removal of all": lambda _: {"messages": [RemoveMessage(id="__remove_all__"), AIMessage("after")]},
    "dicts": lambda _: {"messages": [{"role": "assistant", "content": "d"}, {"role": "user", "content": "e"}]},
    "twice": lambda _: {"messages": [said := AIMessage("x"), said]},
    "model": lambda _: {"messages": [Parrot().invoke("hi")]},
    "whole": lambda _: {"messages": [Whole().invoke("hi")]},
    "nostream": lambda _: {"messages": [Parrot(tags=["nostream"]).invoke("hi")]},
}


def node(e: Engine, result: str) -> Callable[[Any], Any]:
    return lambda _: RESULTS[result](e)


def subgraph(e: Engine, state: Any, result: str) -> Any:
    return chain(e, chain(e, node(e, result), state=state), state=state)


def routed(e: Engine, state: Any, result: str) -> Any:
    """A subgraph node with a conditional edge, whose router calls a model."""

    def route(_: Any) -> str:
        Parrot(tags=["router"]).invoke("where")
        return "after"

    builder = e.StateGraph(state).add_node("sub", chain(e, node(e, result), state=state))
    builder.add_node("after", lambda _: {"messages": []})
    builder.add_edge(e.START, "sub").add_conditional_edges("sub", route, ["after"])
    return builder.compile()


def called(e: Engine, state: Any, result: str) -> Any:
    """A graph that a node calls."""
    inner = chain(e, node(e, result), state=state)
    return chain(e, lambda _: {"messages": inner.invoke({"messages": [AIMessage("in")]})["messages"][1:]}, state=state)


def deep(e: Engine, state: Any, result: str) -> Any:
    return chain(e, subgraph(e, state, result), lambda _: {"messages": [AIMessage("j")]}, state=state)


SHAPES: dict[str, Callable[[Engine, Any, str], Any]] = {
    "node": lambda e, state, result: chain(e, node(e, result), lambda _: {"messages": []}, state=state),
    "subgraph": subgraph,
    "routed subgraph": routed,
    "called": called,
    "deep": deep,
}


def question(id: str | None) -> Any:
    return lambda _: {"messages": [HumanMessage("q", id=id)]}


def check(build: Any, other: Engine, given: Any, *, all_modes: bool = True) -> None:
    for subgraphs in (False, True):
        same(build, other, given, ["messages"], exact=True, words=False, subgraphs=subgraphs)
        if all_modes:
            same(build, other, given, ["messages", *ALL_MODES], words=False, subgraphs=subgraphs)
        found = record(other.runnable(build(other)), given(other), ["messages"], subgraphs=subgraphs)
        assert all(item.payload[0].id for item in found.items), "a message without id was shown"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_ways_out_of_a_graph(other: Engine, shape: str, state: str) -> None:
    if shape == "called" and state in ("dataclass", "pydantic"):
        pytest.skip("what the graph returns is a dict there too")
    # A copy does not show the id that the sharing of objects gives to the original.
    alike = not other.strict or state in ("add_messages", "delta", "delta of messages")
    check(lambda e: SHAPES[shape](e, STATES[state](e), "list"), other, question("q"), all_modes=alike)


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("shape", ["node", "subgraph", "routed subgraph"])
@pytest.mark.parametrize("state", ["add_messages", "plain", "delta of messages"])
def test_what_nodes_return(other: Engine, state: str, shape: str, result: str) -> None:
    if state == "plain" and result in ("removal of all", "dicts"):
        pytest.skip("a reducer that knows nothing of messages keeps them as they are")
    check(lambda e: SHAPES[shape](e, STATES[state](e), result), other, question("q"), all_modes=not other.strict)


@pytest.mark.parametrize("state", ["add_messages", "plain", "last", "delta", "delta of messages"])
@pytest.mark.parametrize("shape", ["node", "subgraph", "routed subgraph"])
def test_an_input_without_id(other: Engine, shape: str, state: str) -> None:
    check(lambda e: SHAPES[shape](e, STATES[state](e), "list"), other, question(None), all_modes=not other.strict)


@pytest.mark.parametrize("state", ["add_messages", "delta of messages"])
def test_messages_in_a_send_to_a_subgraph(other: Engine, state: str) -> None:
    """One that has no id is news, when the subgraph returns it; one that has an id is not."""

    def build(e: Engine, id: str | None) -> Any:
        schema = STATES[state](e)
        inner = chain(e, lambda _: {"messages": [AIMessage("answer")]}, state=schema)
        builder = e.StateGraph(schema).add_node("w", inner)
        builder.add_conditional_edges(
            e.START, lambda _: [e.Send("w", {"messages": [HumanMessage("task", id=id)]})], ["w"]
        )
        return builder.compile()

    for id, expected in ((None, ["task", "answer"]), ("t", ["answer"])):
        for subgraphs in (False, True):
            options = {"exact": True, "subgraphs": subgraphs}
            stream = same(lambda e, id=id: build(e, id), other, question("q"), ["messages"], **options)  # type: ignore[misc]
            if not subgraphs:
                assert [item.payload[0].content for item in stream.items] == expected


def test_a_reducer_that_makes_messages(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return chain(e, chain(e, lambda _: {"messages": ["txt", ("ai", "y")]}, state=Converted), state=Converted)

    check(build, other, question("q"), all_modes=False)


def test_a_message_in_a_delta_channel_can_be_replaced(other: Engine) -> None:
    """What deepagents does with a large message of the user: a later node puts a short one in its place, by its id."""

    def shorten(state: Any) -> Any:
        first = state["messages"][0]
        return {"messages": [HumanMessage("short", id=first.id)]}

    def build(e: Engine) -> Any:
        state = delta(e, langgraphs_reducer())
        return chain(e, lambda _: {"messages": [AIMessage("a")]}, shorten, state=state)

    given = lambda _: {"messages": [{"role": "user", "content": "large"}]}  # noqa: E731
    same(build, other, given, exact=True)
    state = other.runnable(build(other)).invoke(given(other))
    assert [message.content for message in state["messages"]] == ["short", "a"]
    ids = [message.id for message in state["messages"]]
    assert all(ids) and len(set(ids)) == 2


def test_ids_on_a_wire_depend_on_the_task(other: Engine) -> None:
    """Of a task that runs again for the same input they are the same: in state, in commands for the graph above too."""
    if not other.strict:
        pytest.skip("values do not cross a wire")

    def up(_: Any) -> Any:
        return other.Command(
            graph=other.Command.PARENT, update={"messages": [AIMessage("up"), AIMessage("and up")]}, goto="n2"
        )

    def ids() -> list[str]:
        inner = chain(other, up, state=other.MessagesState)
        over = chain(other, lambda _: {"messages": other.Overwrite([AIMessage("o")])}, state=other.MessagesState)
        graph = other.runnable(
            chain(other, inner, over, lambda _: {"messages": [AIMessage("x")]}, state=other.MessagesState)
        )
        items = graph.stream(
            question("q")(other), {"run_id": "00000000-0000-0000-0000-000000000001"}, stream_mode="values"
        )
        return [message.id for state in items for message in state["messages"]]

    assert ids() == ids()
