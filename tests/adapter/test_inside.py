"""LangGraph's graphs on a cluster whose services are threads of this process: every value crosses the wire."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any

import pytest
from langgraph import errors as theirs
from langgraph.config import get_stream_writer
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, GraphOutput, Interrupt, Overwrite, RetryPolicy, Send, interrupt
from tests.adapter import served
from tests.adapter.inputs import ASYNC_ONLY, PLAIN, differs
from tests.differential.drift import IS_ELDER
from tests.differential.harness import ASYNC_ORACLE
from tests.inside import Inside
from tests.servers import local_server
from typing_extensions import TypedDict

from drumline import Cluster
from drumline.errors import GraphRecursionError, InvalidUpdateError, RouteError
from drumline.langgraph import adapt
from drumline.types import Interrupt as OurInterrupt

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    kept: str


def one(node: Any, **options: Any) -> Any:
    builder = StateGraph(Log, **options).add_node(node).add_edge(START, node.__name__)
    return builder.compile(name=node.__name__)


def again(_: Log) -> dict[str, Any]:
    return {"log": ["again"]}


def lost(_: Log) -> Any:
    return Command(goto="nowhere")


def commands(state: Log) -> Any:
    """A command with an update and a Send, on which a whole list replaces what was there."""
    sent = Send("sent", {"log": state["log"]})
    return Command(update={"log": Overwrite(["fresh"]), "kept": "by commands"}, goto=["after", sent])


def asks_twice(_: Log) -> dict[str, Any]:
    return {"log": [interrupt({"first": 1}), interrupt("second")]}


def in_context(_: Log, runtime: Runtime[Any]) -> dict[str, Any]:
    return {"log": [str(runtime.context)]}


def stumbles(state: Log, runtime: Runtime[Any]) -> dict[str, Any]:
    info = runtime.execution_info
    get_stream_writer()({"attempt": info.node_attempt if info else 0})
    raise ConnectionError(f"after {len(state['log'])}")


def turns() -> Any:
    return StateGraph(Log).add_node(again).add_edge(START, "again").add_edge("again", "again").compile(name="turns")  # type: ignore[arg-type, call-overload, unused-ignore]


def moves() -> Any:
    builder = StateGraph(Log).add_node(commands)
    builder.add_node("sent", lambda state: {"log": [f"sent {state['log']}"]})
    builder.add_node("after", lambda state: {"log": [f"after {state['log']} {state['kept']}"]})
    return builder.add_edge(START, "commands").compile(name="moves")


def routes() -> Any:
    """Routers of START and of a node; one ends, one sends."""

    def first(state: Log) -> Any:
        return [Send("left", {"log": [word]}) for word in state["log"]]

    builder = StateGraph(Log)
    builder.add_node("left", lambda state: {"log": [f"left of {state['log']}"]})
    builder.add_node("right", lambda state: {"log": [f"right of {len(state['log'])}"]})
    builder.add_conditional_edges(START, first, ["left"])
    builder.add_conditional_edges("left", lambda state: "right" if "go" in state["log"] else END, ["right", END])
    return builder.compile(name="routes")


class Name(str, Enum):
    A = "a"
    B = "b"
    C = "c"


def members() -> Any:
    """Nodes named by members of an Enum: edges, a join, a router, a Send."""
    builder = StateGraph(Log).add_node(Name.A, again).add_node(Name.B, again).add_node(Name.C, again)  # type: ignore[arg-type]
    builder.add_edge(START, Name.A).add_conditional_edges(Name.A, lambda state: [Send(Name.B, state)], [Name.B])
    return builder.add_edge(Name.B, Name.C).compile(name="members")


def left() -> Any:
    """A subgraph that two of its nodes leave at once."""

    def leaves(name: str, goto: str) -> Any:
        return lambda _: Command(graph=Command.PARENT, update={"log": [name]}, goto=goto)

    inner = StateGraph(Log).add_node("a", leaves("a", "x")).add_node("b", leaves("b", "y"))
    inner.add_edge(START, "a").add_edge(START, "b")
    builder = StateGraph(Log).add_node("sub", inner.compile()).add_edge(START, "sub")
    return builder.add_node("x", lambda _: {"log": ["x"]}).add_node("y", lambda _: {"log": ["y"]}).compile(name="left")


def tells(_: Log, runtime: Runtime[Any]) -> dict[str, Any]:
    return {"log": [str(runtime.server_info)]}


async def limited(_: Log) -> dict[str, Any]:
    """The most of its tasks that ran at once."""
    inside, most = 0, 0

    @task
    async def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(9):
            await asyncio.sleep(0)
        inside -= 1

    await asyncio.gather(*[work() for _ in range(6)])
    return {"log": [most]}


OWN = {
    graph.name: graph
    for graph in (
        members(),
        left(),
        one(limited),
        StateGraph(Log).add_node(tells).add_edge(START, "tells").compile(name="served"),  # type: ignore[arg-type, call-overload, unused-ignore]
        one(lost),
        one(asks_twice),
        one(in_context),
        StateGraph(Log)
        .add_node(stumbles, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3))
        .add_edge(START, "stumbles")
        .compile(name="stumbles"),
        turns(),
        moves(),
        routes(),
    )
}
THEIRS: dict[str, Any] = {**{name: served.GRAPHS[name] for name in PLAIN}, **OWN}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One coordinator and one worker that hold nothing but graphs of LangGraph."""
    adapted = {name: adapt(graph) for name, graph in THEIRS.items()}
    with local_server() as server, Inside(server.url, adapted) as made:
        made.coordinator()
        made.worker()
        yield made.client()


def on(cluster: Cluster, name: str) -> Any:
    return adapt(THEIRS[name]).on(cluster, name)


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_streams_are_those_of_langgraph(cluster: Cluster, name: str, subgraphs: bool, use_async: bool) -> None:
    if (use_async or name in ASYNC_ONLY) and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async runs are no oracle on this Python")
    if name == "kept" and IS_ELDER:
        pytest.skip("delta channels of the LangGraph that is installed name no messages")
    asynchronous = use_async or name in ASYNC_ONLY
    found = differs(
        THEIRS[name],
        on(cluster, name),
        PLAIN[name],
        use_async=use_async,
        reference_async=asynchronous,
        subgraphs=subgraphs,
    )
    assert found is None, found


@pytest.mark.parametrize("name", ["moves", "routes"])
@pytest.mark.parametrize("given", [["a"], ["go", "stay", "go"]])
def test_commands_and_routers_lead_where_they_lead_in_langgraph(cluster: Cluster, name: str, given: list[str]) -> None:
    found = differs(THEIRS[name], on(cluster, name), {"log": given}, use_async=False, reference_async=False)
    assert found is None, found


def test_errors_are_caught_by_the_classes_of_both(cluster: Cluster) -> None:
    for theirs_, ours, call in (
        (
            theirs.GraphRecursionError,
            GraphRecursionError,
            lambda: on(cluster, "turns").invoke({"log": []}, {"recursion_limit": 3}),
        ),
        (theirs.InvalidUpdateError, InvalidUpdateError, lambda: on(cluster, "turns").invoke("text")),
        (theirs.EmptyInputError, theirs.EmptyInputError, lambda: on(cluster, "turns").invoke(None)),
        (theirs.InvalidUpdateError, RouteError, lambda: on(cluster, "lost").invoke({"log": []})),
    ):
        with pytest.raises(theirs_) as caught:
            call()
        assert isinstance(caught.value, ours)


def test_questions_come_to_the_caller_as_langgraphs(cluster: Cluster) -> None:
    graph = on(cluster, "asks_twice")
    state = graph.invoke({"log": ["a"]})
    assert [(type(asked), asked.value) for asked in state["__interrupt__"]] == [(Interrupt, {"first": 1})]
    output = graph.invoke({"log": ["a"]}, version="v2")
    assert (type(output), output.value) == (GraphOutput, {"log": ["a"]})
    assert output.interrupts[0] == Interrupt({"first": 1}, id=output.interrupts[0].id)


def test_answers_on_a_thread_of_the_cluster(cluster: Cluster) -> None:
    graph, thread = on(cluster, "asks_twice"), {"configurable": {"thread_id": "answers"}}
    assert [asked.value for asked in graph.invoke({"log": ["a"]}, thread)["__interrupt__"]] == [{"first": 1}]
    assert [asked.value for asked in graph.invoke(Command(resume="A"), thread)["__interrupt__"]] == ["second"]
    assert graph.invoke(Command(resume="B"), thread) == {"log": ["a", "A", "B"]}
    assert graph.get_state(thread).values == {"log": ["a", "A", "B"]}


def test_a_client_without_the_graph_gets_drumlines_classes(cluster: Cluster) -> None:
    state = cluster.graph("asks_twice").invoke({"log": ["a"]})
    assert [(type(asked), asked.value) for asked in state["__interrupt__"]] == [(OurInterrupt, {"first": 1})]


def test_graphs_made_by_hand_return_what_they_return_in_langgraph(cluster: Cluster) -> None:
    assert on(cluster, "hand").invoke("x") == cluster.graph("hand").invoke("x") == THEIRS["hand"].invoke("x") == "xx!"
    assert on(cluster, "hand").invoke("x", output_keys="b") == "xx"
    assert list(on(cluster, "hand").stream("x")) == list(THEIRS["hand"].stream("x"))
    assert cluster.graph("flow").invoke(3) == THEIRS["flow"].invoke(3)


def test_a_client_that_holds_the_graph_calls_it_as_if_bound(cluster: Cluster) -> None:
    def held(name: str) -> Any:
        return cluster.graph(name, graph=adapt(THEIRS[name]))

    output = held("asks_twice").invoke({"log": ["a"]}, version="v2")
    assert (type(output), output.value, type(output.interrupts[0])) == (GraphOutput, {"log": ["a"]}, Interrupt)
    assert type(asyncio.run(held("asks_twice").ainvoke({"log": ["a"]}, version="v2"))) is GraphOutput
    assert held("hand").invoke("x", output_keys="b") == "xx"
    assert list(held("hand").stream("x")) == list(THEIRS["hand"].stream("x"))
    assert list(held("flow").stream(3)) == list(THEIRS["flow"].stream(3))


def test_members_of_an_enum_are_names(cluster: Cluster) -> None:
    expected = list(THEIRS["members"].stream({"log": []}, stream_mode="updates"))
    assert list(on(cluster, "members").stream({"log": []}, stream_mode="updates")) == expected
    assert len(expected) == 3


def test_all_commands_for_the_graph_above_are_followed(cluster: Cluster) -> None:
    state = on(cluster, "left").invoke({"log": []})
    assert (state["log"][:2], sorted(state["log"][2:])) == (["a", "b"], ["x", "y"])


def test_who_serves_the_graph(cluster: Cluster) -> None:
    config = {"configurable": {"assistant_id": "as", "graph_id": "g"}}
    assert on(cluster, "served").invoke({"log": []}, config) == THEIRS["served"].invoke({"log": []}, config)


def test_limits_hold_on_a_worker(cluster: Cluster) -> None:
    for use_async in (False, True):
        graph, given = on(cluster, "limited"), {"log": []}
        config = {"max_concurrency": 2}
        state = asyncio.run(graph.ainvoke(given, config)) if use_async else graph.invoke(given, config)
        assert state["log"] == [2]


def test_a_context_reaches_the_node(cluster: Cluster) -> None:
    assert on(cluster, "in_context").invoke({"log": []}, context={"k": 1})["log"] == ["{'k': 1}"]
    assert asyncio.run(on(cluster, "in_context").ainvoke({"log": []}, context="c"))["log"] == ["c"]


def test_retries_are_langgraphs_and_the_last_error_is_the_nodes(cluster: Cluster) -> None:
    stream = on(cluster, "stumbles").stream({"log": ["a", "b"]}, stream_mode="custom")
    assert [next(stream)["attempt"] for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ConnectionError, match="after 2"):
        next(stream)


def test_the_result_has_the_classes_of_the_agent(cluster: Cluster) -> None:
    state = on(cluster, "judge").invoke(PLAIN["judge"])
    assert state["structured_response"] == served.Verdict(place="sf", degrees=7)
