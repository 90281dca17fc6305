"""LangGraph's compiled graphs on drumline's engine, in one process: streams are LangGraph's own.

The rules one by one are tested in `tests/differential`, where "adapted" and "adapted-strict" are engines under test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph import errors as theirs
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send
from tests.adapter import served
from tests.adapter.inputs import ASYNC_ONLY, PLAIN, differs, meeting
from tests.differential.drift import IS_ELDER
from tests.differential.harness import ASYNC_ORACLE
from tests.differential.states import Log

from drumline.langgraph import adapt, is_langgraph
from drumline.store.serving import stores_of
from drumline_graph import errors as ours
from drumline_graph.errors import RouteError

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
wires = pytest.mark.parametrize("strict", [False, True], ids=["by reference", "strict"])


@wires
@both_ways
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_streams_are_those_of_langgraph(name: str, subgraphs: bool, use_async: bool, strict: bool) -> None:
    if (use_async or name in ASYNC_ONLY) and not ASYNC_ORACLE:
        pytest.skip("LangGraph's async runs are no oracle on this Python")
    if name == "kept" and IS_ELDER:
        pytest.skip("delta channels of the LangGraph that is installed name no messages")
    graph = served.GRAPHS[name]
    ours = adapt(graph, strict_wire=strict)
    asynchronous = use_async or name in ASYNC_ONLY
    found = differs(graph, ours, PLAIN[name], use_async=use_async, reference_async=asynchronous, subgraphs=subgraphs)
    assert found is None, found


@wires
@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("name", ["agent", "react"])
def test_agents(name: str, strict: bool, tmp_path: Path) -> None:
    given, _ = meeting(tmp_path)
    graph = served.GRAPHS[name]
    found = differs(graph, adapt(graph, strict_wire=strict), given, use_async=True, reference_async=True)
    assert found is None, found


def test_the_result_has_the_classes_of_the_agent() -> None:
    state = adapt(served.GRAPHS["judge"], strict_wire=True).invoke(PLAIN["judge"])
    assert state["structured_response"] == served.Verdict(place="sf", degrees=7)


def test_a_question_ends_the_run() -> None:
    state = adapt(served.GRAPHS["asks"]).invoke(PLAIN["asks"])
    assert [question.value for question in state["__interrupt__"]] == [{"why": 1}]


def test_what_a_graph_says_of_itself() -> None:
    graph = served.GRAPHS["nested"]
    ours = adapt(graph)
    assert is_langgraph(graph) and not is_langgraph(ours)
    assert ours.get_graph().draw_mermaid() == graph.get_graph().draw_mermaid()
    assert ours.get_input_jsonschema() == graph.get_input_jsonschema()
    assert ours.get_output_jsonschema() == graph.get_output_jsonschema()
    assert ours.name == "nested"


def test_the_fingerprint_is_the_graphs() -> None:
    """Equal for two builds of one graph; another edge, another fingerprint."""

    def build(*edges: tuple[str, str]) -> Any:
        builder = StateGraph(Log).add_node("a", lambda _: None).add_node("b", lambda _: None)
        for edge in edges:
            builder.add_edge(*edge)
        return adapt(builder.compile()).program.fingerprint

    one = build((START, "a"), ("a", "b"))
    assert one == build((START, "a"), ("a", "b"))
    assert one != build((START, "a"), (START, "b"))


def test_a_config_of_the_graph_is_kept() -> None:
    graph = served.GRAPHS["flaky"].with_config(tags=["mine"], metadata={"of": "graph"})
    found = differs(graph, adapt(graph), PLAIN["flaky"], use_async=False, reference_async=False)
    assert found is None, found


def test_a_subgraph_with_a_config_of_its_own_runs_inline() -> None:
    inner = StateGraph(Log).add_node("in", served.says("in")).add_edge(START, "in").compile()  # type: ignore[arg-type]
    builder = StateGraph(Log).add_node("sub", inner.with_config(tags=["t"])).add_edge(START, "sub")
    graph = builder.compile()
    ours = adapt(graph)
    assert ours.program.nodes["sub"].subprogram is None
    for subgraphs in (False, True):
        found = differs(graph, ours, {"log": []}, use_async=False, reference_async=False, subgraphs=subgraphs)
        assert found is None, found


@pytest.mark.parametrize("goto", ["nowhere", Send("nowhere", {})], ids=["goto", "Send"])
def test_work_for_a_node_that_is_not_there_is_an_error(goto: Any) -> None:
    """LangGraph warns and goes on without it; drumline never loses work silently."""
    builder = StateGraph(Log).add_node("lost", lambda _: Command(goto=goto)).add_edge(START, "lost")
    with pytest.raises(RouteError, match=r"Node 'lost' went to 'nowhere', which is not a node. Known nodes.*'lost'"):
        adapt(builder.compile()).invoke({"log": []})


def test_a_store_of_one_process_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    from langgraph.store.memory import InMemoryStore

    def keep(_: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        assert runtime.store is not None
        runtime.store.put(("ns",), "key", {"kept": True})
        return {"log": [str(runtime.store.get(("ns",), "key").value)]}  # type: ignore[union-attr]

    graph = adapt(StateGraph(Log).add_node(keep).add_edge(START, "keep").compile(store=InMemoryStore()))  # type: ignore[arg-type]
    assert graph.invoke({"log": []})["log"] == ["{'kept': True}"]
    assert not caplog.text
    stores_of({"keeper": graph.program}, None, "redis://localhost", "p")
    assert "each worker has one of its own" in caplog.text


def test_errors_are_caught_by_the_classes_of_both() -> None:
    """Code around a LangGraph graph catches LangGraph's classes; drumline's planner raises its own."""
    loop = StateGraph(Log).add_node("turn", served.says("turn")).add_edge(START, "turn").add_edge("turn", "turn")  # type: ignore[arg-type]
    for strict in (False, True):
        graph = adapt(loop.compile(), strict_wire=strict)
        with pytest.raises(theirs.GraphRecursionError, match="Recursion limit of 3") as caught:
            graph.invoke({"log": []}, {"recursion_limit": 3})
        assert isinstance(caught.value, ours.GraphRecursionError)
        with pytest.raises(theirs.EmptyInputError):
            graph.invoke(None)
    lost = StateGraph(Log).add_node("lost", lambda _: Command(goto="nowhere")).add_edge(START, "lost")
    with pytest.raises(theirs.InvalidUpdateError) as caught_too:
        adapt(lost.compile()).invoke({"log": []})
    assert isinstance(caught_too.value, ours.RouteError)
