"""What a caller of an embedded graph relies on beside the items: configs, closing, bounds, batches."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from typing_extensions import TypedDict

from drumline.config import get_config, get_stream_writer
from drumline.errors import GraphRecursionError
from drumline.graph import START, StateGraph

LIMIT_S = 20


class State(TypedDict, total=False):
    n: int
    out: Any


def one(node: Any, **options: Any) -> Any:
    name = options.pop("name", "node")
    return StateGraph(State).add_node(name, node).add_edge(START, name).compile(**options)


def shows(_: State) -> dict[str, Any]:
    config: Any = get_config()
    own = {key: value for key, value in config["metadata"].items() if not key.startswith("langgraph_")}
    return {"out": {"metadata": own, "tags": list(config["tags"]), "mine": config["configurable"].get("mine")}}


def test_of_two_configs_the_later_wins_and_tags_are_joined() -> None:
    graph = one(shows).with_config(metadata={"a": 1, "b": 1}, tags=["x", "y"], configurable={"mine": 1})
    given = {"metadata": {"b": 2, "c": 2}, "tags": ["y", "z"], "configurable": {"mine": 2}}
    assert graph.invoke({"n": 1}, given)["out"] == {
        "metadata": {"a": 1, "b": 2, "c": 2},
        "tags": ["x", "y", "z"],
        "mine": 2,
    }


@pytest.mark.parametrize("limit", [0, -1])
def test_a_recursion_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        one(shows).invoke({"n": 1}, {"recursion_limit": limit})
    with pytest.raises(GraphRecursionError):
        one(shows).invoke({"n": 1}, {"recursion_limit": 1})  # a limit is a step more than may be done, as in LangGraph
    assert one(shows).invoke({"n": 1}, {"recursion_limit": 2})["out"]


def test_debug_prints_updates_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    items = list(one(lambda _: {"out": 1}).stream({"n": 1}, stream_mode="custom", debug=True))
    assert items == []
    printed = capsys.readouterr().out
    assert "[updates]" in printed and "'out': 1" in printed
    assert "[values]" in printed
    list(one(lambda _: {"out": 1}, debug=True).stream({"n": 1}))
    assert "[values]" in capsys.readouterr().out


# -- closing ----------------------------------------------------------------------------------------


class Waiting:
    """Async nodes that wait until they are cancelled, and say so."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        builder = StateGraph(State)
        for name in ("a", "b"):
            builder.add_node(name, self._node(name)).add_edge(START, name)
        self.graph: Any = builder.compile()

    def _node(self, name: str) -> Any:
        async def node(_: State) -> None:
            get_stream_writer()(name)
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.01)  # cleaning up takes a moment
                self.ended.append(name)

        return node


def test_closing_a_stream_cancels_its_async_nodes_and_waits_for_them() -> None:
    waiting = Waiting()
    stream: Any = waiting.graph.stream({"n": 1}, stream_mode="custom")
    assert sorted([next(stream), next(stream)]) == ["a", "b"]
    stream.close()
    assert sorted(waiting.ended) == ["a", "b"]


def test_closing_an_async_stream_cancels_its_nodes_and_waits_for_them() -> None:
    waiting = Waiting()

    async def read() -> None:
        stream: Any = waiting.graph.astream({"n": 1}, stream_mode="custom")
        assert sorted([await stream.__anext__(), await stream.__anext__()]) == ["a", "b"]
        await stream.aclose()
        assert sorted(waiting.ended) == ["a", "b"]

    asyncio.run(read())


def test_a_failing_node_ends_its_async_siblings() -> None:
    waiting = Waiting()

    async def fails(_: State) -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no")

    builder = StateGraph(State).add_node("fails", fails).add_node("waits", waiting._node("waits"))
    graph: Any = builder.add_edge(START, "fails").add_edge(START, "waits").compile()
    with pytest.raises(ValueError, match="no"):
        graph.invoke({"n": 1})
    assert waiting.ended == ["waits"]
    with pytest.raises(ValueError, match="no"):
        asyncio.run(graph.ainvoke({"n": 1}))
    assert waiting.ended == ["waits", "waits"]


def test_nothing_runs_before_the_first_item_is_asked_for() -> None:
    ran: list[int] = []
    graph = one(lambda state: ran.append(state["n"]))
    stream = graph.stream({"n": 1})
    graph.astream({"n": 2})
    assert ran == []
    next(stream)
    assert ran == [1]


# -- how many at once -------------------------------------------------------------------------------


class Counter:
    """Counts how many are in it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            self._now -= 1


@pytest.mark.parametrize("bound", [1, 3])
def test_a_batch_runs_as_many_at_once_as_it_may(bound: int) -> None:
    counter = Counter()
    meeting = threading.Barrier(bound)

    def node(state: State) -> State:
        with counter:
            meeting.wait(LIMIT_S)  # reached by `bound` calls at once, or by none
        return {"out": state["n"]}

    async def anode(state: State) -> State:
        with counter:
            await asyncio.sleep(0.002)
        return {"out": state["n"]}

    inputs: list[Any] = [{"n": n} for n in range(4 * bound)]
    expected = list(range(4 * bound))
    assert [item["out"] for item in one(node).batch(inputs, {"max_concurrency": bound})] == expected
    assert counter.most == bound
    counter.most = 0
    outputs = asyncio.run(one(anode).abatch(inputs, {"max_concurrency": bound}))
    assert [item["out"] for item in outputs] == expected
    assert counter.most == bound


def test_a_batch_raises_the_first_error_or_gives_each_its_place() -> None:
    def node(state: State) -> State:
        if state["n"] % 2:
            raise ValueError(state["n"])
        return {"out": state["n"]}

    inputs: list[Any] = [{"n": n} for n in range(4)]
    with pytest.raises(ValueError, match="1"):
        one(node).batch(inputs)
    for found in (
        one(node).batch(inputs, return_exceptions=True),
        asyncio.run(one(node).abatch(inputs, return_exceptions=True)),
    ):
        assert [repr(item) if isinstance(item, ValueError) else item["out"] for item in found] == [
            0,
            "ValueError(1)",
            2,
            "ValueError(3)",
        ]
    assert one(node).batch([]) == asyncio.run(one(node).abatch([])) == []
    with pytest.raises(ValueError, match="2 inputs but 1 configs"):
        one(node).batch(inputs[:2], [{}])


@pytest.mark.parametrize("bound", [1, 2])
def test_as_many_nodes_run_at_once_as_the_config_allows(bound: int) -> None:
    counter = Counter()

    def node(_: State) -> None:
        with counter:
            threading.Event().wait(0.005)

    builder = StateGraph(State)
    for name in "abcdef":
        builder.add_node(name, node).add_edge(START, name)
    builder.compile().invoke({"n": 1}, {"max_concurrency": bound})
    assert counter.most == bound
