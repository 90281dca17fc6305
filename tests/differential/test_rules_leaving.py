"""Several commands for the graph above in one superstep, or from one task: none is lost, in call order.

LangGraph lets the siblings of a task that leaves come to their end, and so do we. Then it follows one command alone:
that of the task which it happens to look at first.
"""

import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from .engines import Engine
from .harness import record, same
from .normal import Recorded
from .states import EMPTY, Log, chain, fan, says


def up(e: Engine, name: str, goto: Any, *, after: threading.Event, sets: threading.Event) -> Any:
    """A node that leaves once `after` is set."""

    def node(_: Any) -> Any:
        assert after.wait(10)
        sets.set()
        return e.Command(graph=e.Command.PARENT, update={"log": [name]}, goto=goto)

    return node


def together(e: Engine, first: str, *, routed: bool = False, called: bool = False) -> Any:
    """`a` and `b` leave, `c` beside them does not; `first` leaves first."""
    start, between, end = threading.Event(), threading.Event(), threading.Event()
    start.set()
    order = (
        {"a": (start, between), "b": (between, end)} if first == "a" else {"b": (start, between), "a": (between, end)}
    )
    nodes = {
        name: up(e, name, goto, after=order[name][0], sets=order[name][1]) for name, goto in (("a", "x"), ("b", ["y"]))
    }
    inner = fan(e, **nodes, c=says("c"))
    node = (lambda state: inner.invoke(state)) if called else inner
    builder = e.StateGraph(Log).add_node("sub", node).add_node("x", says("x")).add_node("y", says("y"))
    builder.add_edge(e.START, "sub")
    if routed:
        builder.add_conditional_edges("sub", lambda _: e.END, [e.END])
    return builder.compile()


def own(stream: Recorded) -> list[tuple[str, Any]]:
    return [(item.mode, item.payload) for item in stream.items if not item.ns]


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("called", [False, True])
def test_all_commands_are_followed(other: Engine, called: bool, routed: bool, first: str) -> None:
    if called and other.adapts:
        pytest.skip("LangGraph's own loop runs a graph that a node calls")
    graph = other.runnable(together(other, first, routed=routed, called=called))
    stream = record(graph, EMPTY, ["values", "updates"])
    assert stream.error is None
    assert own(stream)[1:3] == [
        ("updates", {"sub": [{"log": ["a"]}, {"log": ["b"]}]}),
        ("values", {"log": ["a", "b"]}),
    ]
    assert own(stream)[-1] == ("values", {"log": ["a", "b", "x", "y"]})
    inside = [item.payload for item in stream.items if item.ns and item.mode == "updates"]
    assert inside == [{"c": {"log": ["c"]}}], "siblings end, and are shown"


def test_one_that_leaves_waits_for_its_siblings(other: Engine) -> None:
    """As in LangGraph: what they say and write is shown, and is of no effect."""

    def build(e: Engine) -> Any:
        left = threading.Event()

        def leaves(_: Any) -> Any:
            left.set()
            return e.Command(graph=e.Command.PARENT, update={"log": ["up"]}, goto="x")

        def stays(_: Any) -> Any:
            assert left.wait(10)
            e.get_stream_writer()({"lane": "stays"})
            return {"log": ["stays"]}

        builder = e.StateGraph(Log).add_node("sub", fan(e, leaves=leaves, stays=stays)).add_node("x", says("x"))
        return builder.add_edge(e.START, "sub").compile()

    stream = same(build, other, EMPTY)
    assert [item.payload for item in stream.items if item.mode == "custom"] == [{"lane": "stays"}]


def test_a_question_beside_it_is_not_lost(other: Engine) -> None:
    """The run asks; LangGraph asks or leaves, by chance."""

    def leaves(_: Any) -> Any:
        return other.Command(graph=other.Command.PARENT, update={"log": ["up"]}, goto="x")

    for nodes in ({"leaves": leaves, "asks": lambda _: other.interrupt("why")},):
        builder = other.StateGraph(Log).add_node("sub", fan(other, **nodes)).add_node("x", says("x"))
        graph = other.runnable(builder.add_edge(other.START, "sub").compile())
        assert [asked.value for asked in graph.invoke(EMPTY)["__interrupt__"]] == ["why"]


def test_a_failure_beside_it_ends_the_run(other: Engine) -> None:
    def leaves(_: Any) -> Any:
        return other.Command(graph=other.Command.PARENT, goto="x")

    def fails(_: Any) -> Any:
        raise ConnectionError("of a sibling")

    builder = other.StateGraph(Log).add_node("sub", fan(other, leaves=leaves, fails=fails)).add_node("x", says("x"))
    with pytest.raises(ConnectionError):
        other.runnable(builder.add_edge(other.START, "sub").compile()).invoke(EMPTY)


def test_several_commands_of_one_node(other: Engine) -> None:
    def leaves(_: Any) -> Any:
        up = other.Command.PARENT
        return [
            other.Command(graph=up, update={"log": ["1"]}, goto="x"),
            other.Command(graph=up, update=[("log", ["2"])], goto=[other.Send("y", {"log": []})]),
            other.Command(graph=up, update={"log": ["3"], "x": 3}),
        ]

    builder = other.StateGraph(Log).add_node("sub", chain(other, leaves)).add_node("x", says("x"))
    graph = other.runnable(builder.add_node("y", says("y")).add_edge(other.START, "sub").compile())
    state = graph.invoke(EMPTY)
    assert (state["log"][:3], sorted(state["log"][3:]), state["x"]) == (["1", "2", "3"], ["x", "y"], 3)


@pytest.mark.parametrize("version", ["in one task", "a task each"])
def test_two_tools_that_hand_over(other: Engine, version: str) -> None:
    """Both tools of a turn leave for the graph above: both updates count, in the order of the calls."""

    @tool
    def slow() -> Any:
        """Hand over, later than the other."""
        return other.Command(graph=other.Command.PARENT, update={"log": ["slow"]}, goto="x")

    @tool
    def quick() -> Any:
        """Hand over at once."""
        return other.Command(graph=other.Command.PARENT, update={"log": ["quick"]}, goto="x")

    calls = [{"id": str(n), "name": name, "args": {}} for n, name in enumerate(("slow", "quick"))]
    tools = other.ToolNode([slow, quick])
    builder = other.StateGraph(other.MessagesState).add_node("tools", tools)
    builder.add_node("model", lambda _: {"messages": [AIMessage("", tool_calls=calls)]}).add_edge(other.START, "model")
    if version == "in one task":
        builder.add_edge("model", "tools")
    else:
        builder.add_conditional_edges(
            "model", lambda state: [other.Send("tools", [call]) for call in state["messages"][-1].tool_calls], ["tools"]
        )
    outer = other.StateGraph(Log).add_node("agent", builder.compile()).add_node("x", says("x"))
    state = other.runnable(outer.add_edge(other.START, "agent").compile()).invoke(EMPTY)
    assert state["log"] == ["slow", "quick", "x"]
