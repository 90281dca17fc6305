"""What is shown of the thread of an adapted graph is of LangGraph's classes."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph import errors, func, types
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from tests.differential.harness import newest_oracle

from drumline.langgraph import adapt

CONFIG = {"configurable": {"thread_id": "1"}}


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


def asks(state: State) -> dict[str, Any]:
    del state
    return {"log": [types.interrupt("well?")]}


def graph_of() -> Any:
    child = StateGraph(State).add_node("n", asks).add_edge(START, "n").compile()
    graph = StateGraph(State).add_node("child", child).add_edge(START, "child")
    return graph.compile(checkpointer=InMemorySaver())


def shapes(value: Any) -> Any:
    """The classes of a snapshot and its parts."""
    if hasattr(value, "_asdict"):
        return [type(value), *map(shapes, value)]
    if isinstance(value, (tuple, list)):
        return [type(value), *map(shapes, value)]
    return type(value)


async def collected(items: Any) -> list[Any]:
    return [item async for item in items]


def test_snapshots_are_langgraphs() -> None:
    told = []
    for graph in (graph_of(), adapt(graph_of())):
        graph.invoke({"log": []}, CONFIG)
        state = graph.get_state(CONFIG, subgraphs=True)
        history = list(graph.get_state_history(CONFIG))
        assert type(state) is types.StateSnapshot
        assert asyncio.run(graph.aget_state(CONFIG, subgraphs=True)) == state
        assert asyncio.run(collected(graph.aget_state_history(CONFIG))) == history
        told.append([shapes(state), *map(shapes, history)])
    assert told[1] == told[0]


@newest_oracle
def test_refused_answers_are_langgraphs_errors() -> None:
    graph = adapt(graph_of())
    config = {"configurable": {"thread_id": "1", "__pregel_strict_resume": True}}
    graph.invoke({"log": []}, config)
    with pytest.raises(errors.UnknownInterruptError) as raised:
        graph.invoke(types.Command(resume={"0" * 32: "x"}), config)
    (asked,) = graph.get_state(config).interrupts
    found: Any = raised.value
    assert (found.reason, found.interrupt_ids, found.pending_ids) == ("not_pending", ("0" * 32,), (asked.id,))


def entry() -> Any:
    @func.task
    def note(text: str) -> str:
        return text

    @func.entrypoint(checkpointer=InMemorySaver())
    def graph(given: Any, *, previous: Any = None) -> Any:
        return [note(given).result(), previous, types.interrupt("well?") if given == "ask" else None]

    return graph


def test_the_thread_of_a_graph_that_langgraph_runs_itself() -> None:
    told = []
    for graph in (entry(), adapt(entry())):
        graph.update_state(CONFIG, "set")
        found = [graph.invoke("in", CONFIG)]
        graph.invoke("ask", CONFIG)
        state = graph.get_state(CONFIG)
        found += [state.values, state.next, [asked.value for asked in state.interrupts]]
        found += [(snapshot.values, snapshot.next) for snapshot in graph.get_state_history(CONFIG, limit=3)]
        assert asyncio.run(graph.aget_state(CONFIG)) == state
        assert len(asyncio.run(collected(graph.aget_state_history(CONFIG)))) > 3
        asyncio.run(graph.aupdate_state(CONFIG, "changed"))
        found.append(graph.get_state(CONFIG).values)
        told.append(found)
    assert told[1] == told[0]
    assert told[0][0] == ["in", "set", None]
