"""What the state API refuses, and how it says so."""

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from tests.differential.engines import DRUMLINE, LANGGRAPH

from drumline.checkpoint.memory import InMemorySaver
from drumline.errors import InvalidUpdateError
from drumline.graph import START, StateGraph
from drumline.types import Send

from . import state_graphs as graphs
from .scripts import Thread

THREAD: Any = {"configurable": {"thread_id": "1"}}


class State(TypedDict):
    log: Annotated[list, operator.add]


def one_node(**options: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("a", lambda _: {"log": ["a"]})
    graph.add_edge(START, "a")
    return graph.compile(**options)


def test_without_a_checkpointer() -> None:
    graph = one_node()
    for call in (graph.get_state, lambda config: list(graph.get_state_history(config))):
        with pytest.raises(ValueError, match="No checkpointer set"):
            call(THREAD)
    with pytest.raises(ValueError, match="No checkpointer set"):
        graph.update_state(THREAD, {"log": []})


def test_a_graph_for_within() -> None:
    graph = one_node(checkpointer=True)
    with pytest.raises(RuntimeError, match="cannot be used for root graphs"):
        graph.invoke({"log": []}, THREAD)
    with pytest.raises(RuntimeError, match="cannot be used for root graphs"):
        graph.get_state(THREAD)


def test_without_a_thread() -> None:
    with pytest.raises(ValueError, match="names no thread"):
        one_node(checkpointer=InMemorySaver()).get_state({"configurable": {}})


@pytest.mark.parametrize("engine", [LANGGRAPH, DRUMLINE], ids=["langgraph", "drumline"])
def test_words_of_refused_updates(engine: Any) -> None:
    """The words are LangGraph's: callers look for them."""
    graph = graphs.fan(engine)
    graph.invoke(graphs.IN, THREAD)
    for values, as_node, words in (
        ({"log": ["x"]}, "nope", "Node nope does not exist"),
        (None, "__input__", "Received no input writes for __start__"),
        ([3], "__copy__", "Invalid update item: 3 when copying checkpoint"),
    ):
        with pytest.raises(Exception, match=words):
            graph.update_state(THREAD, values, as_node)
    graph.invoke(engine.Command(resume="A"), THREAD)
    graph.update_state(THREAD, {"log": ["x"]}, "ask")
    graph.update_state(THREAD, {"log": ["y"]}, "oth")
    two = graphs.two_ask(engine)
    two.bulk_update_state(
        THREAD, [[({"log": ["p"]}, "p", None), ({"log": ["q"]}, "q", None)], [({"log": ["i"]}, "__start__", None)]]
    )
    with pytest.raises(Exception, match="as_node is required when applying multiple updates"):
        two.bulk_update_state(THREAD, [[({}, None, None), ({}, "p", None)]])


def test_one_history_twice_at_once() -> None:
    inner = StateGraph(State)
    inner.add_node("a", lambda _: {"log": ["a"]})
    inner.add_edge(START, "a")
    graph = StateGraph(State)
    graph.add_node("child", inner.compile(checkpointer=True))
    graph.add_conditional_edges(START, lambda _: [Send("child", {"log": []}), Send("child", {"log": []})], ["child"])
    with pytest.raises(InvalidUpdateError, match="one history for all its calls"):
        graph.compile(checkpointer=InMemorySaver()).invoke({"log": []}, THREAD)


def test_a_checkpoint_that_is_not_there() -> None:
    """LangGraph makes one whose parent does not exist."""
    graph = one_node(checkpointer=InMemorySaver())
    graph.invoke({"log": []}, THREAD)
    config = {"configurable": {"thread_id": "1", "checkpoint_id": "1f000000-0000-6000-8000-000000000000"}}
    for change in (lambda: graph.update_state(config, {"log": ["x"]}, "a"), lambda: graph.invoke({"log": []}, config)):
        with pytest.raises(InvalidUpdateError, match="has no checkpoint '1f000000"):
            change()
    assert graph.get_state(config).metadata is None


def test_a_refused_update_leaves_the_thread_as_it_was() -> None:
    t = Thread(DRUMLINE, graphs.line(DRUMLINE))
    t.run(graphs.IN)
    before = t.history()
    with pytest.raises(InvalidUpdateError):
        t.graph.update_state(t.config, {"log": ["x"]}, "nope")
    assert t.history() == before


def test_the_state_within_a_node() -> None:
    """A node that hands its config on sees the thread that its run is on."""
    seen: list[Any] = []
    graph = StateGraph(State)

    def look(_state: State, config: RunnableConfig) -> Any:
        place = {**config["configurable"], "checkpoint_ns": "", "checkpoint_id": None}
        seen.append(compiled.get_state({"configurable": place}).values)

    graph.add_node("look", look)
    graph.add_edge(START, "look")
    compiled = graph.compile(checkpointer=InMemorySaver())
    compiled.invoke({"log": ["in"]}, THREAD)
    assert seen == [{"log": ["in"]}]
