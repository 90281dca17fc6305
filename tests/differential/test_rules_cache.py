"""`CachePolicy` and `compile(cache=)`: results that are used again (docs/semantics.md §5.6)."""

import asyncio
from typing import Any

import pytest

from .engines import LANGGRAPH, Engine
from .harness import ALL_MODES, assert_same, newest_oracle, record, same_outcome
from .states import Log, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


def build(e: Engine, *, key: Any = None, fails: int = 0, cache: Any = None, ran: Any = None, name: str = "n") -> Any:
    ran = [] if ran is None else ran

    def node(state: Any) -> Any:
        ran.append(state.get("x"))
        e.get_stream_writer()("ran")
        if len(ran) <= fails:
            raise ValueError("not yet")
        return e.Command(update={"log": [f"n{len(ran)}"]}, goto="z")

    policy = e.CachePolicy() if key is None else e.CachePolicy(key_func=key)
    builder = e.StateGraph(Log)
    builder.add_node(name, node, cache_policy=policy)
    builder.add_node("z", says("z"))
    builder.add_edge(e.START, name)
    return builder.compile(cache=e.InMemoryCache() if cache is None else cache)


def runs(e: Engine, inputs: list[Any], *, use_async: bool = False, modes: Any = None, **given: Any) -> list[Any]:
    graph = e.runnable(build(e, **given))
    return [record(graph, input, modes or ALL_MODES, use_async=use_async) for input in inputs]


SAME = [{"log": [], "x": 1}, {"log": [], "x": 1}, {"x": 1, "log": []}, {"log": [], "x": 2}, {"log": [], "x": 2}]


@both_ways
@pytest.mark.parametrize("key", [None, lambda state: str(state["x"] > 0), lambda state: b"%d" % state["x"]])
def test_a_result_is_used_again(other: Engine, key: Any, use_async: bool) -> None:
    theirs = runs(LANGGRAPH, SAME, key=key, use_async=use_async)
    for expected, found in zip(theirs, runs(other, SAME, key=key, use_async=use_async), strict=True):
        assert_same(expected, found, other)


@newest_oracle
def test_errors_are_not_kept(other: Engine) -> None:
    theirs = runs(LANGGRAPH, SAME[:3], fails=1)
    for expected, found in zip(theirs, runs(other, SAME[:3], fails=1), strict=True):
        assert_same(expected, found, other)


def test_a_cache_is_cleared(other: Engine) -> None:
    def story(e: Engine) -> Any:
        ran: list[Any] = []
        graph = e.runnable(build(e, ran=ran))
        graph.invoke(SAME[0])
        graph.clear_cache(["z"])
        graph.invoke(SAME[0])
        graph.clear_cache(["n"])
        graph.invoke(SAME[0])
        asyncio.run(graph.aclear_cache())
        graph.invoke(SAME[0])
        return len(ran)

    assert same_outcome(story, other) == "3"

    def without(e: Engine) -> Any:
        graph = e.StateGraph(Log).add_node("n", says("n")).add_edge(e.START, "n").compile()
        return e.runnable(graph).clear_cache()

    assert "ValueError" in same_outcome(without, other, words=False)


def test_types_of_inputs_are_told_apart() -> None:
    """Equal keys for 1, True and 1.0, or for lists and tuples, would be wrong results."""
    from .engines import DRUMLINE as e

    ran: list[Any] = []
    graph = build(e, ran=ran)
    values = [1, True, 1.0, "1", b"1", [1], (1,), {1}, frozenset({1}), {"a": 1, "b": 2}, [[1], 2], [1, [2]], None]
    for value in values:
        graph.invoke({"log": [], "x": value})
    assert len(ran) == len(values)
    for value in (*values, {"b": 2, "a": 1}):
        graph.invoke({"log": [], "x": value})
    assert len(ran) == len(values)


def test_what_cannot_be_written_is_not_cached_and_warned_of_once(recwarn: pytest.WarningsRecorder) -> None:
    from .engines import DRUMLINE as e

    class Odd:
        pass

    ran: list[Any] = []
    graph = build(e, ran=ran, name="odd")
    for _ in range(2):
        assert graph.invoke({"log": [], "x": Odd()})["log"][-1] == "z"
    assert len(ran) == 2
    assert len([w for w in recwarn if "are not cached" in str(w.message)]) == 1


def test_other_code_has_other_results() -> None:
    """LangGraph gives functions of one name each other's results (issue 8753)."""
    from .engines import DRUMLINE as e

    cache = e.InMemoryCache()

    def one(number: int) -> Any:
        builder = e.StateGraph(Log)
        node = [lambda _: {"log": [1]}, lambda _: {"log": [2]}][number]
        builder.add_node("n", node, cache_policy=e.CachePolicy()).add_edge(e.START, "n")
        return builder.compile(cache=cache).invoke({"log": []})["log"]

    assert [one(0), one(1), one(0)] == [[1], [2], [1]]


def test_a_cache_that_fails_is_passed_over() -> None:
    from .engines import DRUMLINE as e

    class Broken(e.InMemoryCache):  # type: ignore[misc,name-defined]
        def get(self, keys: Any) -> Any:
            raise ConnectionError(f"away with {keys}")

        def set(self, pairs: Any) -> None:
            raise ConnectionError(f"away with {pairs}")

    assert build(e, cache=Broken()).invoke({"log": []})["log"] == ["n1", "z"]


def test_a_cache_of_langgraph_serves_too() -> None:
    from langgraph.cache.memory import InMemoryCache

    from .engines import DRUMLINE as e

    ran: list[Any] = []
    graph = build(e, cache=InMemoryCache(), ran=ran)
    assert [graph.invoke(SAME[0])["log"], graph.invoke(SAME[0])["log"]] == [["n1", "z"], ["n1", "z"]]
    assert len(ran) == 1
