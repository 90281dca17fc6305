"""Embedded, a run is one trace: the tree of runs that LangGraph's has, for every handler, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import CallbackManager
from langchain_core.runnables import RunnableLambda
from tests.differential.engines import ADAPTED, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from tests.tracing import graphs
from tests.tracing.recorder import AsyncRecorder, Grumpy, Recorder

from drumline.langgraph import adapt

OURS = pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT, ADAPTED], ids=["drumline", "strict", "adapted"])


def built(engine: Engine, shape: Callable[..., Any], *how: str) -> Any:
    """A graph of an engine; LangGraph's own, where drumline is to run it."""
    graph = shape(engine, *how)
    return adapt(graph) if engine.adapts else graph


SHAPES = pytest.mark.parametrize("shape", graphs.SHAPES, ids=lambda shape: shape.__name__)


def heard(graph: Any, how: str, **config: Any) -> Recorder:
    recorder = Recorder()
    config.setdefault("callbacks", []).append(recorder)
    try:
        if how == "async":
            asyncio.run(graph.ainvoke({"xs": [0]}, config))
        else:
            graph.invoke({"xs": [0]}, config)
    except ValueError:
        pass
    return recorder


@OURS
@SHAPES
@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_tree_is_langgraphs(engine: Engine, shape: Callable[..., Any], how: str) -> None:
    config = {"tags": ["mine"], "metadata": {"k": 1}}
    theirs = heard(shape(LANGGRAPH, how), how, **config)
    ours = heard(built(engine, shape, how), how, **config)
    assert plain(ours.tree()) == plain(theirs.tree())
    assert len(ours.roots) == 1


def plain(tree: list[Any]) -> Any:
    """Trees as text: commands and messages of both engines read the same."""
    return [repr(run) for run in tree]


def test_the_order_is_langgraphs() -> None:
    theirs, ours = heard(graphs.whole(LANGGRAPH), "sync"), heard(graphs.whole(DRUMLINE), "sync")
    # sent tasks run side by side
    assert [step for step in ours.order if step[1] != "w"] == [step for step in theirs.order if step[1] != "w"]


@OURS
def test_what_a_call_says_of_its_root(engine: Engine) -> None:
    id_ = UUID("01a21996-979f-7157-97bd-23d47f2236a0")
    recorder = heard(built(engine, graphs.whole), "sync", run_name="asked", run_id=id_)
    assert recorder.roots == [id_]
    assert recorder.path(id_) == ("asked",)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_handlers_of_coroutines(how: str) -> None:
    recorder = AsyncRecorder()
    theirs = heard(graphs.whole(LANGGRAPH, how), how)
    heard(graphs.whole(DRUMLINE, how), how, callbacks=[recorder])
    # tools are not asked for by this handler
    expected = [name for name in theirs.names() if name[-1] != "adds"]
    assert recorder.heard.names() == expected


def test_a_manager_in_place_of_a_list() -> None:
    recorder = Recorder()
    manager = CallbackManager([recorder], inheritable_handlers=[recorder])
    graphs.whole(DRUMLINE).invoke({"xs": [0]}, {"callbacks": manager})
    assert recorder.names() == heard(graphs.whole(LANGGRAPH), "sync").names()


def test_a_graph_hangs_below_the_runnable_that_calls_it() -> None:
    graph, recorder = graphs.child(DRUMLINE), Recorder()
    chain = (
        RunnableLambda(lambda n: {"xs": [n]}, name="before") | graph | RunnableLambda(lambda s: s["xs"], name="then")
    )
    chain.invoke(0, {"callbacks": [recorder], "run_name": "chain"})
    assert ("chain", "LangGraph", "in2", "model") in recorder.names()
    assert len(recorder.roots) == 1


def test_callbacks_of_with_config_and_of_the_call_are_joined() -> None:
    bound, given = Recorder(), Recorder()
    graph = graphs.child(DRUMLINE).with_config(callbacks=[bound])
    graph.invoke({"xs": []}, {"callbacks": [given]})
    assert bound.names() == given.names() == heard(graphs.child(LANGGRAPH), "sync").names()


def test_callbacks_that_a_node_adds_hear_of_what_it_calls_only() -> None:
    inner, added = graphs.child(DRUMLINE), Recorder()

    def calls(_: Any) -> Any:
        return {"xs": inner.invoke({"xs": []}, {"callbacks": [added]})["xs"]}

    builder = DRUMLINE.StateGraph(graphs.State)
    builder.add_node("calls", calls)
    builder.add_edge(DRUMLINE.START, "calls")
    outer = heard(builder.compile(), "sync")
    assert ("LangGraph", "calls", "LangGraph", "in1") in outer.names()
    assert ("LangGraph", "in1") in added.names()


# -- how runs end -----------------------------------------------------------------------------------


def endless(e: Engine) -> Any:
    def again(_: Any) -> Any:
        return {"xs": [1]}

    builder = e.StateGraph(graphs.State)
    builder.add_node("again", again)
    builder.add_edge(e.START, "again")
    builder.add_edge("again", "again")
    return builder.compile()


@OURS
def test_a_stream_that_is_left_ends_its_trace(engine: Engine) -> None:
    recorder = Recorder()
    stream = built(engine, endless).stream({"xs": []}, {"callbacks": [recorder]})
    next(stream)
    stream.close()
    assert recorder.ends()["LangGraph",] == ("error", "GeneratorExit")
    assert None not in recorder.ends().values()


def test_an_async_run_that_is_cancelled_ends_its_trace() -> None:
    recorder, entered = Recorder(), asyncio.Event()

    async def waits(_: Any) -> Any:
        entered.set()
        await asyncio.Event().wait()

    builder = DRUMLINE.StateGraph(graphs.State)
    builder.add_node("waits", waits)
    builder.add_edge(DRUMLINE.START, "waits")
    graph = builder.compile()

    async def main() -> None:
        run = asyncio.create_task(graph.ainvoke({"xs": []}, {"callbacks": [recorder]}))
        await entered.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert set(recorder.ends().values()) == {("error", "CancelledError")}


@OURS
def test_a_limit_is_an_error_of_the_root(engine: Engine) -> None:
    recorder = Recorder()
    with pytest.raises(Exception, match=r"(?i)recursion"):
        built(engine, endless).invoke({"xs": []}, {"callbacks": [recorder], "recursion_limit": 3})
    assert recorder.ends()["LangGraph",] == ("error", "GraphRecursionError")


# -- handlers that raise ----------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["start of LangGraph", "start of in1", "end"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_handler_that_raises_is_logged(at: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    recorder = heard(graphs.child(DRUMLINE, how), how, callbacks=[Grumpy(False, at)])
    assert recorder.ends()["LangGraph",][0] == "end"
    assert at in caplog.text


@pytest.mark.parametrize("at", ["start of LangGraph", "start of in1", "end"])
@pytest.mark.parametrize("engine", [LANGGRAPH, DRUMLINE], ids=["langgraph", "drumline"])
def test_a_handler_that_insists_ends_the_run(engine: Engine, at: str) -> None:
    with pytest.raises(RuntimeError, match=f"does not like {at}"):
        graphs.child(engine).invoke({"xs": []}, {"callbacks": [Grumpy(True, at)]})


# -- events -----------------------------------------------------------------------------------------


async def events_of(graph: Any) -> list[Any]:
    found = []
    async for event in graph.astream_events({"xs": [0]}, version="v2"):
        if event["name"] in ("w", "lam", "RunnableLambda"):
            continue  # sent tasks run side by side; LangGraph streams Runnables, we call them
        data = {key: repr(value) for key, value in event["data"].items()} if "model" not in event["event"] else ""
        found.append((event["event"], event["name"], sorted(event["tags"]), len(event["parent_ids"]), data))
    return found


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("shape", [graphs.whole, graphs.calls], ids=lambda shape: shape.__name__)
def test_astream_events_are_langgraphs(shape: Callable[..., Any], how: str) -> None:
    ours, theirs = asyncio.run(events_of(shape(DRUMLINE, how))), asyncio.run(events_of(shape(LANGGRAPH, how)))
    assert ours == theirs
    assert any(kind == "on_chat_model_stream" for kind, *_ in ours)
