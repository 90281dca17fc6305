"""Values of `UntrackedValue` channels are no part of a thread, wherever a task writes them."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH, Engine

from drumline.checkpoint.sqlite import SqliteSaver

CONFIG = {"configurable": {"thread_id": "1"}}


class Resource:
    """Nothing can encode it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def graph_of(e: Engine, saver: Any) -> Any:
    fields: Any = {"log": Annotated[list[str], operator.add], "held": Annotated[Any, e.UntrackedValue]}
    State: Any = TypedDict("State", fields)  # type: ignore[misc]

    def opens(_state: Any) -> dict[str, Any]:
        return {"log": ["opens"], "held": Resource()}

    def only(_state: Any) -> dict[str, Any]:
        return {"held": Resource()}

    def works(state: Any) -> dict[str, Any]:
        return {"log": [f"works with {type(state['held']).__name__}"], "held": Resource()}

    def asks(state: Any) -> dict[str, Any]:
        return {"log": [e.interrupt("well?"), f"held {state.get('held')}"]}

    builder = e.StateGraph(State).add_node("opens", opens).add_node("works", works)
    builder.add_node("only", only).add_node("asks", asks)
    builder.add_edge(e.START, "opens").add_edge("works", "asks").add_edge("works", "only")
    builder.add_conditional_edges("opens", lambda state: [e.Send("works", state)], ["works"])
    return builder.compile(checkpointer=saver)


def told(e: Engine, saver: Any) -> list[Any]:
    graph = graph_of(e, saver)
    first = graph.invoke({"log": []}, CONFIG)
    found: list[Any] = [first["log"], type(first["held"]).__name__]
    history = list(graph.get_state_history(CONFIG))
    found += [(snapshot.values, snapshot.next) for snapshot in history]
    found += [task.result for snapshot in history for task in snapshot.tasks if task.name in ("opens", "works")]
    found.append(graph.invoke(e.Command(resume="fine"), CONFIG)["log"])
    return found


@pytest.mark.parametrize("saver", ["memory", "sqlite"])
def test_what_is_untracked_is_not_kept(saver: str) -> None:
    expected = told(LANGGRAPH, LANGGRAPH.InMemorySaver())
    if saver == "memory":
        assert told(DRUMLINE, DRUMLINE.InMemorySaver()) == expected
        return
    with SqliteSaver.from_conn_string(":memory:") as kept:
        assert told(DRUMLINE, kept) == expected
