"""What callback handlers hear of an entrypoint and its tasks is what they hear of LangGraph's, on a cluster too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.differential.engines import DRUMLINE, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE
from tests.tracing.recorder import Recorder

from drumline.cluster.remote import ClusterGraph
from drumline.testing import local_cluster

#: an entrypoint and the inputs of its runs, on one thread
Case = Callable[[Any], tuple[Any, list[Any]]]


def nested(e: Any, x: int = 1) -> tuple[Any, list[Any]]:
    @e.task
    def add(a: int, b: int = 1) -> int:
        return a + b

    @e.task
    def around(a: int) -> int:
        if a > 1:
            raise ValueError("too much")
        return add(a, b=5).result()

    @e.entrypoint()
    def entry(x: int) -> int:
        return around(x).result()

    return entry, [x]


def fails(e: Any) -> tuple[Any, list[Any]]:
    return nested(e, 2)


def caught(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def bad(a: int) -> int:
        raise ValueError(a)

    @e.task
    def good(a: int) -> int:
        return a

    @e.entrypoint()
    def entry(x: int) -> int:
        try:
            return bad(x).result()
        except ValueError:
            return good(x).result()

    return entry, [1]


def several_parameters(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def many(a: int, *more: int, b: int, **rest: int) -> int:
        return a + sum(more) + b + sum(rest.values())

    @e.entrypoint()
    def entry(x: int) -> list[int]:
        return [many(x, b=1).result(), many(x, 2, 3, b=4, c=5).result()]

    return entry, [1]


def tried_again(e: Any) -> tuple[Any, list[Any]]:
    tries: list[int] = []

    @e.task(retry_policy=e.RetryPolicy(initial_interval=0, jitter=False, retry_on=ValueError))
    def flaky(a: int) -> int:
        tries.append(a)
        if len(tries) < 2:
            raise ValueError("not yet")
        return a

    @e.entrypoint()
    def entry(x: int) -> int:
        return flaky(x).result()

    return entry, [7]


def caller_tried_again(e: Any) -> tuple[Any, list[Any]]:
    tries: list[int] = []

    @e.task
    def add(a: int) -> int:
        return a + 1

    @e.entrypoint(retry_policy=e.RetryPolicy(initial_interval=0, jitter=False, retry_on=ValueError))
    def entry(x: int) -> int:
        tries.append(x)
        found: int = add(len(tries)).result()
        if len(tries) < 2:
            raise ValueError("not yet")
        return found

    return entry, [7]


def asks(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def first(a: int) -> int:
        return a + 1

    @e.task
    def asked(a: int, *, note: str = "none") -> Any:
        return [a, note, e.interrupt("sure?")]

    @e.entrypoint(checkpointer=e.InMemorySaver())
    def entry(x: int) -> Any:
        return asked(first(x).result()).result()

    return entry, [1, e.Command(resume="yes")]


def in_a_node(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def add(a: int) -> int:
        return a + 1

    def calls(x: dict[str, Any]) -> dict[str, Any]:
        return {"n": add(x["n"]).result()}

    def child() -> Any:
        builder = e.StateGraph(dict)
        builder.add_node("calls", calls)
        builder.add_edge(e.START, "calls")
        return builder.compile()

    builder = e.StateGraph(dict)
    builder.add_node("sub", child())
    builder.add_edge(e.START, "sub")
    return builder.compile(), [{"n": 1}]


def handled(e: Any) -> tuple[Any, list[Any]]:
    def bad(_: dict[str, Any]) -> dict[str, Any]:
        raise ValueError("no")

    def mends(_: dict[str, Any]) -> dict[str, Any]:
        return {"n": 2}

    builder = e.StateGraph(dict)
    builder.add_node("bad", bad, error_handler=mends)
    builder.add_edge(e.START, "bad")
    return builder.compile(), [{"n": 1}]


CASES = [
    nested,
    fails,
    caught,
    several_parameters,
    tried_again,
    caller_tried_again,
    asks,
    in_a_node,
]


def heard(graph: Any, inputs: list[Any], how: str = "sync") -> list[Any]:
    """The trees of runs that a handler hears, one for each run of the graph, and the inputs of what is in them."""
    trees = []
    for each in inputs:
        recorder = Recorder()
        config = {"callbacks": [recorder], "configurable": {"thread_id": "1"}, "tags": ["mine"], "metadata": {"k": 1}}
        try:
            if how == "sync":
                graph.invoke(each, config)
            else:
                asyncio.run(graph.ainvoke(each, config))
        except ValueError:
            pass
        assert all(run["begun_in_open"] for run in recorder.runs.values()), "a run began below one that had ended"
        told = [(path, kind, tags, dict(metadata), end) for path, kind, tags, metadata, end in recorder.tree()]
        inputs_of = sorted((recorder.path(id_), repr(run["input"])) for id_, run in recorder.runs.items())
        trees.append(([repr(one) for one in told], [one for one in inputs_of if "Command" not in one[1]]))
    return trees


def served(case: Case, *, at_hand: bool = False) -> Any:
    """The trees of a case on a cluster, whose client has the graph `at_hand`, or knows its name alone."""
    graph, inputs = case(DRUMLINE)
    with local_cluster({"LangGraph": graph}) as cluster:
        return heard(ClusterGraph(cluster, "LangGraph", graph if at_hand else None), inputs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_trees_are_equal(case: Case) -> None:
    theirs = heard(*case(LANGGRAPH))
    assert heard(*case(DRUMLINE)) == theirs
    assert len(theirs[0][1]) > 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_trees_are_equal_on_a_cluster(case: Case) -> None:
    assert served(case, at_hand=True) == heard(*case(LANGGRAPH))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_client_without_the_graph_hears_all_but_defaults(case: Case) -> None:
    theirs = repr(heard(*case(LANGGRAPH)))
    assert repr(served(case)) == theirs.replace(", 'note': 'none'", "")


def test_error_handlers_are_heard_on_a_cluster() -> None:
    """Compared with embedded runs: docs/differences.md says where LangGraph puts them."""
    assert served(handled) == heard(*handled(DRUMLINE))


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
def test_events_are_equal_on_a_cluster() -> None:
    async def events(graph: Any, inputs: list[Any]) -> list[Any]:
        """Events of runs below the root in order, and behind them those of the root, whose place is chance."""
        told: list[tuple[int, str]] = []
        async for event in graph.astream_events(inputs[0], version="v2"):
            depth = len(event["parent_ids"])
            told.append((depth, repr([event["event"], event["name"], event["tags"], event["data"]])))
        return [one for one in told if one[0]] + [one for one in told if not one[0]]

    graph, inputs = caught(DRUMLINE)
    with local_cluster({"LangGraph": graph}) as cluster:
        ours = asyncio.run(events(cluster.graph("LangGraph"), inputs))
    assert ours == asyncio.run(events(*caught(LANGGRAPH)))
