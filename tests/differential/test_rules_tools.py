"""The stream mode `tools` against LangGraph's: which events, with which fields, where and in which order.

docs/semantics.md §1.9.
"""

import re
from itertools import groupby
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from .engines import LANGGRAPH, Engine
from .harness import ASYNC_ORACLE, Builder, assert_same, newest_oracle, raw, record
from .normal import Recorded, wordless
from .tool_graphs import both_ways
from .tools_mode_graphs import MODES, agent, asked, below, by_hand, functional, listening, node_of

below_too = pytest.mark.parametrize("subgraphs", [False, True], ids=["root", "all"])

CALLS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "one": (("add", {"a": 1, "b": 2}),),
    "speaks": (("speaks", {"text": "one two"}),),
    "commands": (("goes", {"to": "there"}),),
    "artifact": (("both", {}),),
    "nested": (("calls", {"a": 1}),),
    "fails": (("fails", {"why": "because"}),),
    "unknown": (("nothing", {}),),
    "wrong arguments": (("add", {"a": "x", "b": 2}),),
}


def same(
    build: Builder,
    other: Engine,
    input: Any,
    modes: list[str],
    *,
    exact: bool = False,
    use_async: bool = False,
    **options: Any,
) -> Recorded:
    """As `harness.same`, but for the ids of messages that tools gave: only a reader in the same process can see the
    object get its id later, when it becomes a part of the state. Calls of one message race: each is in order.
    """
    if use_async and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async runs are no oracle on this Python")
    ours = record(build(LANGGRAPH), input, modes, use_async=use_async, **options)
    theirs = record(other.runnable(build(other)), input, modes, use_async=use_async, **options)
    assert_same(wordless(settled(ours)), wordless(settled(theirs)), other, exact=exact)
    return ours


def settled(stream: Recorded) -> Recorded:
    """The stream with outputs of tools that have no ids, and what is told of calls at once by call."""
    for item in stream.items:
        if item.mode == "tools":
            item.payload = unnamed(item.payload)
    items = []
    for (_, mode), group in groupby(stream.items, lambda item: (item.ns, item.mode)):
        told = list(group)
        if mode == "tools":
            told.sort(key=lambda item: str(item.payload["tool_call_id"])[:2])
        items += told
    return Recorded(items, stream.error)


def unnamed(payload: Any) -> Any:
    output = payload.get("output")
    return {**payload, "output": output.model_copy(update={"id": None})} if isinstance(output, BaseMessage) else payload


@pytest.mark.parametrize("name", CALLS)
@both_ways
def test_tool_nodes(other: Engine, name: str, use_async: bool) -> None:
    used = sorted({call[0] for call in CALLS[name]} - {"nothing"}) or ["add"]
    build = lambda e: node_of(e, *used)  # noqa: E731
    stream = same(build, other, asked(*CALLS[name]), MODES, exact=True, use_async=use_async)
    assert name == "unknown" or stream.payloads("tools")


@both_ways
def test_handled_errors(other: Engine, use_async: bool) -> None:
    build = lambda e: node_of(e, "fails", handle_tool_errors=True)  # noqa: E731
    stream = same(build, other, asked(("fails", {"why": "x"})), MODES, exact=True, use_async=use_async)
    assert [item["event"] for item in stream.payloads("tools")] == ["tool-started", "tool-error"]


@both_ways
def test_several_calls(other: Engine, use_async: bool) -> None:
    given = asked(("add", {"a": 1, "b": 2}), ("speaks", {"text": "one two"}), ("add", {"a": 3, "b": 4}))
    stream = same(lambda e: node_of(e, "add", "speaks"), other, given, ["tasks", "tools"], use_async=use_async)
    assert len(stream.payloads("tools")) == 8


def test_async_tools(other: Engine) -> None:
    given = asked(("aadd", {"a": 1, "b": 2}))
    same(lambda e: node_of(e, "aadd"), other, given, MODES, exact=True, use_async=True)


@both_ways
@below_too
@pytest.mark.parametrize("modes", [MODES, ["tools"], ["tools", "custom"]], ids=["all", "tools", "two"])
def test_by_hand(other: Engine, use_async: bool, subgraphs: bool, modes: list[str]) -> None:
    stream = same(by_hand, other, {"n": 1}, modes, exact=True, use_async=use_async, subgraphs=subgraphs)
    assert len(stream.payloads("tools")) == 12


@both_ways
@below_too
def test_graphs_below(other: Engine, use_async: bool, subgraphs: bool) -> None:
    stream = same(below, other, {"messages": []}, ["tasks", "tools"], use_async=use_async, subgraphs=subgraphs)
    assert len(stream.of_mode("tools").items) == (10 if subgraphs else 2)


@both_ways
@below_too
def test_a_node_that_listens(other: Engine, use_async: bool, subgraphs: bool) -> None:
    same(listening, other, {"n": 1}, ["values", "tasks", "tools"], use_async=use_async, subgraphs=subgraphs)


@both_ways
def test_agents(other: Engine, use_async: bool) -> None:
    given = {"messages": [("user", "go")]}
    stream = same(agent, other, given, ["tasks", "custom", "tools"], use_async=use_async)
    assert len(stream.payloads("tools")) == 8


@both_ways
@newest_oracle
def test_functional(other: Engine, use_async: bool) -> None:
    stream = same(functional, other, 3, ["updates", "tools"], exact=True, use_async=use_async)
    assert len(stream.payloads("tools")) == 4


@both_ways
@newest_oracle
def test_questions(other: Engine, use_async: bool) -> None:
    """A tool that asks has no end; with the answer it begins again."""
    config = {"configurable": {"thread_id": "t"}}

    def streams(e: Engine) -> list[Any]:
        graph = e.runnable(node_of(e, "asks", compile={"checkpointer": e.InMemorySaver()}))
        given = [asked(("asks", {"question": "why"})), e.Command(resume="so")]
        runs = [record(graph, item, ["updates", "tools"], use_async=use_async, config=config) for item in given]
        return [[(item.ns, item.mode, str(item.payload)) for item in run.of_mode("tools").items] for run in runs]

    first, second = streams(LANGGRAPH)
    assert (len(first), len(second)) == (1, 2)
    found = streams(other)
    assert found[0] == first
    assert [item[:2] for item in found[1]] == [item[:2] for item in second]


@both_ways
@pytest.mark.parametrize("listed", [False, True])
def test_shapes(other: Engine, use_async: bool, listed: bool) -> None:
    """v2 parts, bare payloads."""

    def items(e: Engine, **options: Any) -> Any:
        graph = e.runnable(node_of(e, "speaks"))
        mode: Any = ["tools"] if listed else "tools"
        found, error = raw(graph, asked(("speaks", {"text": "a b"})), use_async=use_async, stream_mode=mode, **options)
        assert error is None
        return re.sub(r" id='[^']*',", "", str(found))

    for options in ({}, {"version": "v2"}, {"subgraphs": True}, {"version": "v2", "subgraphs": True}):
        assert items(other, **options) == items(LANGGRAPH, **options)


def test_nobody_asked(other: Engine) -> None:
    """Without the mode nothing hears the tools, and their deltas go nowhere."""
    stream = same(lambda e: node_of(e, "speaks"), other, asked(("speaks", {"text": "a b"})), ["updates", "custom"])
    assert [item.mode for item in stream.items] == ["custom", "custom", "updates"]
