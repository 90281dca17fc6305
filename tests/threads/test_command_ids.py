"""Messages that a `Command` given as input writes to a delta channel: each read of the thread shows the same ids."""

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph.message import _messages_delta_reducer
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from typing_extensions import TypedDict

from drumline.testing import local_cluster

engines = pytest.mark.parametrize("e", [LANGGRAPH, DRUMLINE, DRUMLINE_STRICT], ids=lambda e: e.name)
CONFIG = {"configurable": {"thread_id": "t"}}


def talk(e: Engine) -> Any:
    class Talk(TypedDict):
        messages: Annotated[list[Any], e.DeltaChannel(_messages_delta_reducer)]

    def agent(_state: Talk) -> Talk:
        return {"messages": [AIMessage("reply", id="reply")]}

    return e.StateGraph(Talk).add_node("agent", agent).add_edge(e.START, "agent")


def said_to(graph: Any, e: Engine, *, in_a_fork: bool) -> list[list[tuple[str, str | None]]]:
    """What is read, twice, when a `Command` has said something: to an old checkpoint, or to the thread."""
    graph.invoke({"messages": [HumanMessage("a", id="a")]}, CONFIG)
    there = next(each.config for each in graph.get_state_history(CONFIG) if each.next == ("agent",))
    command = e.Command(update={"messages": ["hello", ("user", "again")]}, goto="agent")
    graph.invoke(command, there if in_a_fork else CONFIG)
    return [[(each.content, each.id) for each in graph.get_state(CONFIG).values["messages"]] for _ in range(2)]


def check(read: list[list[tuple[str, str | None]]]) -> None:
    assert [content for content, _ in read[0]] in (["a", "hello", "again", "reply"], ["a", "reply", "hello", "again"])
    ids = [id_ for _, id_ in read[0]]
    assert all(ids) and len(set(ids)) == len(ids)
    assert read[0] == read[1]


@engines
@pytest.mark.parametrize("in_a_fork", [False, True])
def test_each_read_shows_the_same_ids(e: Engine, in_a_fork: bool) -> None:
    check(said_to(talk(e).compile(checkpointer=e.InMemorySaver()), e, in_a_fork=in_a_fork))


def test_each_read_of_a_cluster_shows_the_same_ids() -> None:
    with local_cluster({"talk": talk(DRUMLINE).compile()}) as cluster:
        check(said_to(cluster.graph("talk"), DRUMLINE, in_a_fork=True))
