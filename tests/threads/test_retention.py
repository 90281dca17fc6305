"""Savers prune threads by rules: what stays can be read, forked and gone on from; nothing else is touched."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.graph import START, StateGraph
from drumline.retention import Retention
from drumline.threads.rows import Wanted
from drumline.types import Command, interrupt

BIG = 500


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    big: str


def say(state: State) -> State:
    return {"said": ["x" * BIG], "big": str(len(state["said"])) * BIG}


def ask(_state: State) -> State:
    return {"said": [interrupt("?")]}


def whole(saver: Any) -> Any:
    inner = StateGraph(State).add_node(say).add_node(ask)
    sub = inner.add_edge(START, "say").add_edge("say", "ask").compile()
    graph = StateGraph(State).add_node(say).add_node("sub", sub).add_node(ask)
    graph.add_edge(START, "say").add_edge("say", "sub").add_edge("sub", "ask")
    return graph.compile(checkpointer=saver)


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield InMemorySaver()
    else:
        with SqliteSaver.from_conn_string(":memory:") as made:
            yield made


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


INPUTS = [{"said": [1]}, Command(resume="one"), Command(resume="two")]


def prune(saver: Any, *given: Any, is_async: bool = False, **more: Any) -> None:
    if is_async:
        asyncio.run(saver.aprune(*given, **more))
    else:
        saver.prune(*given, **more)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("asked", [1, 2, 3])
def test_a_pruned_thread_goes_on_as_if_nothing_had_happened(saver: Any, asked: int, is_async: bool) -> None:
    graph, twin = whole(saver), whole(InMemorySaver())
    for given in [*INPUTS * 3, *INPUTS[:asked]]:
        graph.invoke(given, on("t"))
        twin.invoke(given, on("t"))
    history = list(graph.get_state_history(on("t")))
    before = graph.get_state(on("t"), subgraphs=True)
    prune(saver, ["t"], retention=Retention(max_checkpoints=3), is_async=is_async)
    assert list(graph.get_state_history(on("t"))) == history[:3]
    assert graph.get_state(on("t"), subgraphs=True) == before
    forked = graph.update_state(history[2].config, {"said": ["fork"]}, as_node="say")
    assert graph.get_state(forked).values["said"] == [*history[2].values["said"], "fork"]
    prune(saver, retention=Retention(max_checkpoints=4), is_async=is_async)  # all threads
    assert list(graph.get_state_history(on("t")))[1:] == history[:3]
    twin.update_state(list(twin.get_state_history(on("t")))[2].config, {"said": ["fork"]}, as_node="say")
    graph.invoke(None, on("t"))
    twin.invoke(None, on("t"))
    found, expected = (each.invoke(Command(resume=3), on("t")) for each in (graph, twin))
    assert {**found, "__interrupt__": None} == {**expected, "__interrupt__": None}  # ids of checkpoints differ


def test_rows_of_what_went_are_gone(saver: Any) -> None:
    graph = whole(saver)
    for given in INPUTS * 4:
        graph.invoke(given, on("t"))
    before = saver.rows.page(Wanted("t"), 1000)
    saver.prune(["t"], retention=Retention(max_checkpoints=1))
    left = saver.rows.page(Wanted("t"), 1000)
    assert len([row for row in left if not row.ns]) == 1
    assert len(left) <= 1 < len(before) / 10
    values = saver.rows.fill(left[0]).values
    assert len(values) <= 60


def test_age_bytes_and_what_waits(saver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = whole(saver)
    for thread in ("asks", "done"):
        for given in INPUTS[: 1 if thread == "asks" else 3]:
            graph.invoke(given, on(thread))
    saver.prune(retention=Retention(max_age=60, keep="none"))
    assert len(list(graph.get_state_history(on("done")))) == 5  # nothing is too old
    saver.prune(["done"], retention=Retention(max_bytes=2 * BIG))
    assert 1 <= len(list(graph.get_state_history(on("done")))) < 5
    now = time.time()
    monkeypatch.setattr("drumline.checkpoint.rows.time.time", lambda: now + 61)
    saver.prune(retention=Retention(max_age=60, keep="interrupted"))
    assert not list(graph.get_state_history(on("done")))
    assert len(list(graph.get_state_history(on("asks")))) == 1
    assert graph.invoke(Command(resume="late"), on("asks"))["said"][-1] == "late"
    monkeypatch.setattr("drumline.checkpoint.rows.time.time", lambda: now + 200)
    saver.prune(retention=Retention(max_age=60, keep="none"))
    assert not saver.rows.page(Wanted(), 10)


def test_what_langgraph_has_put(saver: Any) -> None:
    config: Any = {"configurable": {"thread_id": "theirs", "checkpoint_ns": ""}}
    for _ in range(3):
        config = saver.put(config, empty_checkpoint(), {"source": "loop", "step": 0, "parents": {}}, {})
    saver.prune(["theirs", "not there"], retention=Retention(max_checkpoints=2))
    assert len(list(saver.list(on("theirs")))) == 2


def test_many_threads(saver: Any) -> None:
    graph = StateGraph(State).add_node(say).add_edge(START, "say").compile(checkpointer=saver)
    for n in range(70):
        graph.invoke({"said": [n]}, on(f"t{n}"))
    saver.prune(retention=Retention(max_checkpoints=1))
    rows = saver.rows.page(Wanted(), 1000)
    assert len(rows) == 70 == len({row.thread for row in rows})
    saver.prune(strategy="delete")
    assert not saver.rows.page(Wanted(), 1)
