"""`StateUpdate(task_id=)`: the id is the caller's, any short text, and tells nothing of the messages."""

from typing import Annotated, Any

import pytest
from langchain_core.messages import HumanMessage
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from typing_extensions import TypedDict

CONFIG: Any = {"configurable": {"thread_id": "1"}}
ENGINES = [DRUMLINE, DRUMLINE_STRICT, ADAPTED, ADAPTED_STRICT]
IDS = ["mine", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "z" * 200, None]


def collects(old: list[Any], writes: list[Any]) -> list[Any]:
    """A delta channel's reducer that keeps one message of each id."""
    found = {message.id: message for message in old}
    for write in writes:
        found |= {message.id: message for message in write}
    return list(found.values())


def talk(e: Engine, *, is_delta: bool, routed: bool = False) -> Any:
    of_messages: Any = e.DeltaChannel(collects) if is_delta else e.add_messages

    class State(TypedDict):
        messages: Annotated[list, of_messages]

    builder = e.StateGraph(State).add_node("n", lambda _: {}).add_edge(e.START, "n")
    if routed:
        builder.add_conditional_edges("n", lambda _: e.END, [e.END])
    return e.runnable(builder.compile(checkpointer=e.InMemorySaver()))


def said(graph: Any, as_node: str, supersteps: list[list[tuple[str, Any]]]) -> list[str]:
    update = LANGGRAPH.module("types").StateUpdate
    for superstep in supersteps:
        updates = [update({"messages": [HumanMessage(word)]}, as_node, id_) for word, id_ in superstep]
        graph.bulk_update_state(CONFIG, [updates])
    return [message.content for message in graph.get_state(CONFIG).values["messages"]]


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
@pytest.mark.parametrize("is_delta", [False, True], ids=["reducer", "delta"])
@pytest.mark.parametrize("as_node", ["n", "__start__"])
@pytest.mark.parametrize("id_", IDS, ids=["text", "uuid", "long", "none"])
def test_no_message_is_lost_when_an_id_comes_again(engine: Engine, is_delta: bool, as_node: str, id_: Any) -> None:
    supersteps = [[("a", id_)], [("b", id_)], [("c", id_)]]
    expected = said(talk(LANGGRAPH, is_delta=is_delta), as_node, supersteps)
    assert expected == ["a", "b", "c"]
    assert said(talk(engine, is_delta=is_delta), as_node, supersteps) == expected


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
@pytest.mark.parametrize("is_delta", [False, True], ids=["reducer", "delta"])
def test_no_message_is_lost_in_a_superstep_of_one_id(engine: Engine, is_delta: bool) -> None:
    assert said(talk(engine, is_delta=is_delta, routed=True), "n", [[("a", "x"), ("b", "x")]]) == ["a", "b"]


def test_the_saver_shows_the_ids_that_were_given() -> None:
    graph = talk(DRUMLINE, is_delta=True)
    graph.invoke({"messages": [HumanMessage("in")]}, CONFIG)
    before = graph.get_state(CONFIG).config
    said(graph, "n", [[("a", "one"), ("b", "two")]])
    assert {write[0] for write in graph.checkpointer.get_tuple(before).pending_writes} == {"one", "two"}


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
@pytest.mark.parametrize("id_", ["\ud800", "z" * 201, 7], ids=["surrogate", "too long", "number"])
def test_what_no_message_can_name_is_refused_before_it_is_written(engine: Engine, id_: Any) -> None:
    graph = talk(engine, is_delta=False)
    assert said(graph, "n", [[("a", None)]]) == ["a"]
    with pytest.raises(engine.InvalidUpdateError, match="The task_id of an update of node 'n'"):
        said(graph, "n", [[("b", id_)]])
    assert said(graph, "n", []) == ["a"]
