"""When a run's thread is kept: before the next superstep, meanwhile, or when the run ends, however it ends."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from tests.differential.engines import ADAPTED, DRUMLINE, LANGGRAPH, Engine
from typing_extensions import TypedDict

from drumline.checkpoint.memory import InMemorySaver
from drumline.checkpoint.sqlite import SqliteSaver
from drumline.checkpoint.sqlite.aio import AsyncSqliteSaver
from drumline.graph import START, StateGraph
from drumline.types import Command, interrupt

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def chain(*nodes: Callable[[State], Any]) -> Any:
    """Nodes one after the other."""
    builder = StateGraph(State)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder


def a(_: State) -> Any:
    return {"log": ["a"]}


def b(_: State) -> Any:
    return {"log": ["b"]}


def c(_: State) -> Any:
    return {"log": ["c"]}


def bad(_: State) -> Any:
    raise ValueError("boom")


def ask(_: State) -> Any:
    return {"log": [interrupt("?")]}


def steps(saver: Any) -> list[int]:
    return [found.metadata["step"] for found in saver.list(CONFIG)]


@pytest.fixture
def saver() -> Any:
    with SqliteSaver.from_conn_string(":memory:") as opened:
        yield opened


def test_sync_is_kept_before_the_next_superstep(saver: Any) -> None:
    seen: list[list[int]] = []

    def look(_: State) -> Any:
        seen.append(steps(saver))
        return {"log": ["look"]}

    chain(a, look).compile(checkpointer=saver).invoke({"log": []}, CONFIG, durability="sync")
    assert seen == [[1, 0, -1]]


def test_async_is_kept_meanwhile_in_order_as_it_was(saver: Any) -> None:
    """The run goes on while its first checkpoint cannot be written; in the end all is written, in order."""
    may_write, began = threading.Event(), threading.Event()
    write = saver.rows.write

    def slow(rows: Any) -> None:
        began.set()
        assert may_write.wait(30)
        write(rows)

    saver.rows.write = slow
    shared = {"n": 1}

    def changes(_: State) -> Any:
        assert began.wait(30)
        return {"log": [shared]}

    def later(_: State) -> Any:
        shared["n"] = 2  # after it was returned, before it is written
        may_write.set()
        return {}

    chain(changes, later).compile(checkpointer=saver).invoke({"log": []}, CONFIG)
    assert steps(saver) == [2, 1, 0, -1]
    assert [found.checkpoint["channel_values"].get("log") for found in saver.list(CONFIG)][1] == [{"n": 1}]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_what_the_store_raises_ends_the_run(saver: Any, durability: Any) -> None:
    def full(_: Any) -> None:
        raise OSError("disk full")

    saver.rows.write = full
    with pytest.raises(OSError, match="disk full"):
        chain(a, b).compile(checkpointer=saver).invoke({"log": []}, CONFIG, durability=durability)


def test_exit_keeps_one_checkpoint_per_run(saver: Any) -> None:
    graph = chain(a, b, c).compile(checkpointer=saver)
    parts = graph.stream({"log": ["1"]}, CONFIG, durability="exit", stream_mode="checkpoints")
    seen = [[*steps(saver), part["metadata"]["step"]] for part in parts]
    assert seen == [[-1], [0], [1], [2], [3]]  # told of, not kept
    assert steps(saver) == [3]
    assert graph.invoke({"log": ["2"]}, CONFIG, durability="exit")["log"] == ["1", "a", "b", "c", "2", "a", "b", "c"]
    assert steps(saver) == [8, 3]
    newest, older = saver.list(CONFIG)
    assert newest.parent_config == older.config


@pytest.mark.parametrize("kind", [InMemorySaver, None])
def test_exit_keeps_what_a_failed_run_has_done(saver: Any, kind: Any) -> None:
    saver = saver if kind is None else kind()
    graph = chain(a, b, bad).compile(checkpointer=saver)
    with pytest.raises(ValueError, match="boom"):
        graph.invoke({"log": []}, CONFIG, durability="exit")
    (found,) = saver.list(CONFIG)
    assert found.checkpoint["channel_values"]["log"] == ["a", "b"]
    assert [(channel, value) for _, channel, value in found.pending_writes] == [("__error__", "ValueError('boom')")]


def test_exit_keeps_questions_of_graphs_within(saver: Any) -> None:
    outer = StateGraph(State).add_node("child", chain(a, ask).compile()).add_edge(START, "child")
    graph: Any = outer.compile(checkpointer=saver)
    graph.invoke({"log": []}, CONFIG, durability="exit")
    everywhere = [
        found.config["configurable"]["checkpoint_ns"] for found in saver.list({"configurable": {"thread_id": "1"}})
    ]
    assert sorted(ns.partition(":")[0] for ns in everywhere) == ["", "child"]
    assert graph.invoke(Command(resume="yes"), CONFIG, durability="exit")["log"] == ["a", "yes"]
    everywhere = [found.metadata["source"] for found in saver.list({"configurable": {"thread_id": "1"}})]
    assert len(everywhere) == 3  # the child's that asked, and one of the root for each run


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_closing_a_stream_keeps_what_was_done(saver: Any, durability: Any) -> None:
    graph = chain(a, b, c).compile(checkpointer=saver)
    stream = graph.stream({"log": []}, CONFIG, durability=durability, stream_mode="updates")
    assert [next(stream), next(stream)] == [{"a": {"log": ["a"]}}, {"b": {"log": ["b"]}}]
    stream.close()
    assert steps(saver)[0] == 2
    assert saver.get(CONFIG)["channel_values"]["log"] == ["a", "b"]
    assert graph.invoke(None, CONFIG)["log"] == ["a", "b", "c"]


# -- on an event loop -------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("kind", ["memory", "sqlite", "async sqlite", "aiosqlite"])
def test_async_runs(kind: str, durability: Any) -> None:
    async def main() -> None:
        if kind == "memory":
            await talk(InMemorySaver())
        elif kind == "sqlite":
            with SqliteSaver.from_conn_string(":memory:") as opened:
                await talk(opened)
        elif kind == "async sqlite":
            async with AsyncSqliteSaver.from_conn_string(":memory:") as opened:
                await talk(opened)
        else:
            aiosqlite = pytest.importorskip("aiosqlite")
            async with aiosqlite.connect(":memory:") as connection:
                await talk(AsyncSqliteSaver(connection))

    async def talk(opened: Any) -> None:
        graph = chain(a, ask, c).compile(checkpointer=opened)
        await graph.ainvoke({"log": ["in"]}, CONFIG, durability=durability)
        assert (await opened.aget(CONFIG))["channel_values"]["log"] == ["in", "a"]
        stream = graph.astream(Command(resume="yes"), CONFIG, durability=durability, stream_mode="updates")
        assert await anext(stream) == {"ask": {"log": ["yes"]}}
        await stream.aclose()
        assert (await opened.aget(CONFIG))["channel_values"]["log"] == ["in", "a", "yes"]
        assert (await graph.ainvoke(None, CONFIG, durability=durability))["log"] == ["in", "a", "yes", "c"]
        sources = [found.metadata["source"] async for found in opened.alist(CONFIG)]
        assert sources == (["loop"] * 3 if durability == "exit" else ["loop", "loop", "loop", "loop", "input"])
        assert len([found async for found in opened.alist(CONFIG, limit=2, filter={"source": "loop"})]) == 2

    asyncio.run(main())


def test_async_store_errors_end_the_run() -> None:
    async def main() -> None:
        async with AsyncSqliteSaver.from_conn_string(":memory:") as opened:

            async def full(_: Any) -> None:
                raise OSError("disk full")

            opened.rows.awrite = full  # type: ignore[method-assign, assignment]
            with pytest.raises(OSError, match="disk full"):
                await chain(a, b).compile(checkpointer=opened).ainvoke({"log": []}, CONFIG)

    asyncio.run(main())


def test_a_saver_on_its_own_loop_refuses_sync_calls() -> None:
    async def main() -> None:
        aiosqlite = pytest.importorskip("aiosqlite")
        async with aiosqlite.connect(":memory:") as connection:
            opened = AsyncSqliteSaver(connection)
            graph = chain(a).compile(checkpointer=opened)
            with pytest.raises(RuntimeError, match="async methods"):
                graph.invoke({"log": []}, CONFIG)
            state = await asyncio.to_thread(graph.invoke, {"log": []}, CONFIG)
            assert state == {"log": ["a"]}

    asyncio.run(main())


def test_exit_shows_the_parents_that_langgraph_shows() -> None:
    """No checkpoint that is not kept is a parent. (LangGraph tells that of the checkpoint which the run began at.)"""

    def node(e: Engine, name: str) -> Any:
        return lambda _: {"log": [e.interrupt("?") if name == "ask" else name]}

    def build(e: Engine) -> Any:
        within = e.StateGraph(State).add_node("x", node(e, "x")).add_node("y", node(e, "y"))
        within.add_edge(e.START, "x").add_edge("x", "y")
        graph = e.StateGraph(State).add_node("a", node(e, "a")).add_node("ask", node(e, "ask"))
        graph.add_node("sub", within.compile()).add_edge(e.START, "a").add_edge("a", "sub").add_edge("sub", "ask")
        return e.runnable(graph.compile(checkpointer=e.InMemorySaver()))

    def story(e: Engine) -> Any:
        graph, numbers = build(e), {}

        def named(config: Any) -> Any:
            place = None if config is None else config["configurable"]
            return place and (
                place["checkpoint_ns"].partition(":")[0],
                numbers.setdefault(place["checkpoint_id"], len(numbers)),
            )

        shown: list[Any] = []
        first: Any = {}
        for given in (first, e.Command(resume="x"), first):
            items = graph.stream(given, CONFIG, stream_mode="checkpoints", subgraphs=True, durability="exit")
            shown += [(named(each["config"]), named(each["parent_config"])) for _, each in items]
            shown.append([(named(each.config), named(each.parent_config)) for each in graph.get_state_history(CONFIG)])
        return shown

    expected = story(LANGGRAPH)
    assert story(DRUMLINE) == expected
    assert story(ADAPTED) == expected
