"""On a cluster the client's handlers hear the log, and those of workers join below the same root."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress
from typing import Any

import pytest
from tests.differential.engines import LANGGRAPH
from tests.inside import LIMIT_S
from tests.tracing import graphs
from tests.tracing.recorder import AsyncRecorder, Recorder
from tests.tracing.test_trees import heard, plain

from drumline import Cluster
from drumline.errors import RunCancelled
from drumline.tracing import TracedRun
from drumline_protocol.trace_ids import root_trace_id

#: what the log does not tell: it happens inside of nodes
INSIDE = ("model", "adds", "to_c", "first", "second", "third", "fourth", "__start__", "RunnableLambda")


def of_the_log(tree: list[Any]) -> list[str]:
    """Graphs and nodes of a tree, without what happens inside of nodes. Of a command, the log has what it writes."""
    found = [run for run in tree if not set(run[0]) & set(INSIDE)]
    return plain([run[:4] if run[0][-1] == "c" else run for run in found])


@pytest.mark.parametrize("shape", ["whole", "routed", "leaves", "fails"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_client_hears_graphs_and_nodes(cluster: Cluster, shape: str, how: str) -> None:
    graph = cluster.graph(shape, graph=graphs.GRAPHS[shape])
    ours = heard(graph, how, tags=["mine"], metadata={"k": 1})
    theirs = heard(getattr(graphs, shape)(LANGGRAPH), how, tags=["mine"], metadata={"k": 1})
    assert of_the_log(ours.tree()) == of_the_log(theirs.tree())


def test_a_handler_of_coroutines(cluster: Cluster) -> None:
    recorder = AsyncRecorder()
    heard(cluster.graph("whole"), "async", callbacks=[recorder])
    assert ("whole", "sub", "LangGraph", "in2") in recorder.heard.names()


def test_the_root_is_the_run(cluster: Cluster) -> None:
    recorder = Recorder()
    stream = cluster.graph("whole").stream({"xs": []}, {"callbacks": [recorder], "run_name": "asked"})
    list(stream)
    root = root_trace_id(stream.run_id)
    assert recorder.roots == [root]
    assert recorder.path(root) == ("asked",)
    # The run's own id but for its version: 8 carries a partition, 7 is what LangSmith asks for
    text, version = str(root), len("01a21cfb-7026-")
    assert (root.version, f"{text[:version]}8{text[version + 1 :]}") == (7, stream.run_id)


def test_a_stream_that_is_closed_ends_its_trace(cluster: Cluster) -> None:
    recorder = Recorder()
    stream = cluster.graph("whole").stream({"xs": []}, {"callbacks": [recorder]})
    next(stream)
    stream.close()
    assert recorder.ends()["whole",] == ("error", "GeneratorExit")
    assert None not in recorder.ends().values()


def test_a_stream_that_is_dropped_ends_its_trace(cluster: Cluster) -> None:
    recorder = Recorder()
    stream = cluster.graph("whole").stream({"xs": []}, {"callbacks": [recorder]})
    next(stream)
    del stream
    gc.collect()
    assert recorder.ends()["whole",] == ("error", "GeneratorExit")
    assert None not in recorder.ends().values()


def test_an_async_stream_that_is_dropped_ends_its_trace(cluster: Cluster) -> None:
    recorder = Recorder()

    async def first() -> None:
        async for _ in cluster.graph("whole").astream({"xs": []}, {"callbacks": [recorder]}):
            break
        gc.collect()

    asyncio.run(first())
    assert recorder.ends()["whole",] == ("error", "GeneratorExit")
    assert None not in recorder.ends().values()


def test_a_run_that_is_cancelled_ends_its_trace(cluster: Cluster) -> None:
    recorder = Recorder()
    stream = cluster.graph("whole").stream({"xs": []}, {"callbacks": [recorder]})
    next(stream)
    cluster.cancel(stream.run_id)
    with suppress(RunCancelled):  # or it was done before
        list(stream)
    assert recorder.ends()["whole",][0] == "end" or recorder.ends()["whole",] == ("error", "RunCancelled")
    assert None not in recorder.ends().values()


# -- workers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["whole", "routed", "calls", "async_whole", "adapted_whole", "adapted_routed"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_handlers_of_workers_join_below_the_clients_root(
    cluster: Cluster, on_workers: Any, shape: str, how: str
) -> None:
    there = Recorder()
    on_workers(there)
    here = heard(cluster.graph(shape), how)
    both = Recorder()
    for id_, run in (*here.runs.items(), *there.runs.items()):
        known = both.runs.setdefault(id_, run)
        assert (known["name"], known["parent"]) == (run["name"], run["parent"])
    name = shape.rpartition("_")[2]
    kind = "async" if shape.startswith("async") else "sync"
    theirs = heard(getattr(graphs, name)(LANGGRAPH, kind), kind)
    assert [path[1:] for path in both.names()] == [path[1:] for path in theirs.names()]


def test_a_function_makes_the_handlers_of_a_run(cluster: Cluster, on_workers: Any) -> None:
    made: list[tuple[TracedRun, Recorder]] = []
    lock = threading.Lock()

    def handlers(run: TracedRun) -> Any:
        with lock:
            made.append((run, Recorder()))
            return [made[-1][1]]

    on_workers(handlers)
    stream = cluster.graph("whole").stream({"xs": []}, {"tags": ["mine"], "metadata": {"k": 1}})
    list(stream)
    assert {(run.run_id, run.root, run.trace) for run, _ in made} == {
        (stream.run_id, *(root_trace_id(stream.run_id),) * 2)
    }
    assert all(run.tags == ("mine",) and run.metadata["k"] == 1 and run.graph == "whole" for run, _ in made)
    assert {name for _, recorder in made for *_, name in recorder.names()} >= {"a", "models", "model", "in2"}


def test_a_handler_that_raises_on_a_worker_does_not_fail_the_run(cluster: Cluster, on_workers: Any) -> None:
    from tests.tracing.recorder import Grumpy

    on_workers(Grumpy(False, "start of a"))
    assert cluster.graph("whole").invoke({"xs": []})["xs"][0] == "a"


def test_without_handlers_a_worker_traces_nothing(cluster: Cluster) -> None:
    from drumline_worker import handlers

    assert not handlers._served
    asyncio.run(asyncio.wait_for(cluster.graph("whole").ainvoke({"xs": []}), LIMIT_S))
