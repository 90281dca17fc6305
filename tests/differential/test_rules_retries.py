"""`RetryPolicy`: what is tried again, when, and what the stream shows of it (docs/semantics.md §5.6)."""

import asyncio
import time
from typing import Any
from unittest.mock import patch

import pytest

from .engines import LANGGRAPH, Engine
from .harness import ALL_MODES, Recorded, assert_same, newest_oracle, record, same, same_outcome
from .states import EMPTY, chain, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])

#: (exception, tries that fail, max_attempts)
OUTCOMES = [
    (ConnectionError, 0, 3),
    (ConnectionError, 1, 3),
    (ConnectionError, 2, 3),
    (ConnectionError, 3, 3),
    (ValueError, 1, 3),
    (OSError, 1, 3),
    (RuntimeError, 1, 3),
    (KeyError, 1, 3),
    (ZeroDivisionError, 1, 3),
    (StopAsyncIteration, 1, 3),
    (Exception, 1, 3),
    (ConnectionError, 1, 1),
]


class Odd(Exception):
    """An error of the user's own."""


def fails(e: Engine, times: int, error: type[Exception], *, use_async: bool = False, log: str = "n") -> Any:
    tried = []

    def body(_: Any) -> Any:
        info = e.get_runtime().execution_info
        tried.append(info.node_first_attempt_time)
        e.get_stream_writer()({"try": len(tried), "attempt": info.node_attempt, "first": tried[0] == tried[-1]})
        if len(tried) <= times:
            raise error(f"no {len(tried)}")
        return {"log": [f"{log}{len(tried)}"]}

    async def abody(state: Any) -> Any:
        return body(state)

    return abody if use_async else body


def one(e: Engine, node: Any, policy: Any) -> Any:
    builder = e.StateGraph(e_state())
    builder.add_node("n", node, retry_policy=policy)
    builder.add_edge(e.START, "n")
    return builder.compile()


def e_state() -> Any:
    from .states import Log

    return Log


def quick(e: Engine, **given: Any) -> Any:
    return e.RetryPolicy(**{"initial_interval": 0.001, "jitter": False, **given})


@both_ways
@pytest.mark.parametrize(("error", "times", "most"), OUTCOMES)
def test_what_is_tried_again(other: Engine, error: type[Exception], times: int, most: int, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return one(e, fails(e, times, error, use_async=use_async), quick(e, max_attempts=most))

    same(build, other, EMPTY, ALL_MODES, use_async=use_async)


@both_ways
@pytest.mark.parametrize(
    "wanted",
    [Odd, (Odd, KeyError), [KeyError, Odd], KeyError, lambda error: "1" in str(error), lambda _: False, ()],
    ids=["class", "tuple", "list", "other", "predicate", "never", "none"],
)
def test_retry_on(other: Engine, wanted: Any, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return one(e, fails(e, 2, Odd, use_async=use_async), quick(e, retry_on=wanted))

    same(build, other, EMPTY, ALL_MODES, use_async=use_async)


def test_the_first_policy_that_matches_holds(other: Engine) -> None:
    def build(e: Engine) -> Any:
        policies = [quick(e, retry_on=KeyError, max_attempts=9), quick(e, retry_on=Odd, max_attempts=2), quick(e)]
        return one(e, fails(e, 3, Odd), policies)

    same(build, other, EMPTY, ALL_MODES)


def test_a_predicate_that_raises_ends_the_run(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return one(e, fails(e, 1, Odd), quick(e, retry_on=lambda error: error.no_such_field))

    same(build, other, EMPTY, ["custom", "updates"], words=False)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"backoff_factor": 3.0},
        {"max_interval": 0.7},
        {"initial_interval": 4.0, "backoff_factor": 0.5},
    ],
)
def test_delays(other: Engine, given: dict[str, Any]) -> None:
    """The sync runs sleep by `time.sleep`, which LangGraph's users patch."""

    def delays(e: Engine) -> tuple[list[float], Recorded]:
        policy = e.RetryPolicy(jitter=False, max_attempts=5, **given)
        graph = e.runnable(one(e, fails(e, 9, ConnectionError), policy))
        with patch("time.sleep") as sleep:
            recorded = record(graph, EMPTY, ["updates"])
        return [round(call.args[0], 1) for call in sleep.call_args_list], recorded

    expected, their = delays(LANGGRAPH)
    found, our = delays(other)
    assert found == expected and len(found) == 4
    assert_same(their, our, other)


def test_jitter_adds_up_to_a_second(other: Engine) -> None:
    graph = one(other, fails(other, 9, ConnectionError), other.RetryPolicy(initial_interval=5.0, max_attempts=2))
    with patch("time.sleep") as sleep, patch("random.uniform", return_value=0.25):
        record(graph, EMPTY, ["updates"])
    assert [round(call.args[0], 1) for call in sleep.call_args_list] == [5.2]


@both_ways
def test_siblings_go_on_while_one_waits(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(e_state())
        builder.add_node(
            "a", fails(e, 1, Odd, use_async=use_async, log="a"), retry_policy=quick(e, initial_interval=0.2)
        )
        builder.add_node("b", says("b"))
        builder.add_node("z", says("z"))
        builder.add_edge(e.START, "a").add_edge(e.START, "b")
        builder.add_edge(["a", "b"], "z")
        return builder.compile()

    stream = same(build, other, EMPTY, ["updates", "values"], use_async=use_async)
    assert stream.error is None


def test_a_question_and_a_command_for_the_parent_are_no_errors(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def asks(_: Any) -> Any:
            return {"log": [e.interrupt("why?")]}

        return one(e, asks, quick(e, retry_on=Exception))

    same(build, other, EMPTY, ALL_MODES)


def test_a_router_that_fails_is_tried_again_with_its_node(other: Engine) -> None:
    def build(e: Engine) -> Any:
        tried = []

        def router(_: Any) -> str:
            tried.append(1)
            if len(tried) < 3:
                raise Odd
            return "z"

        builder = e.StateGraph(e_state())
        builder.add_node("a", fails(e, 0, Odd), retry_policy=quick(e))
        builder.add_node("z", says("z"))
        builder.add_edge(e.START, "a").add_conditional_edges("a", router, ["z"])
        return builder.compile()

    same(build, other, EMPTY, ["custom", "updates", "values"])


@both_ways
def test_a_graph_as_a_node_is_tried_again_as_a_whole(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, says("first"), fails(e, 1, ConnectionError, use_async=use_async), says("last"))
        builder = e.StateGraph(e_state())
        builder.add_node("child", child, retry_policy=quick(e))
        builder.add_edge(e.START, "child")
        return builder.compile()

    same(build, other, EMPTY, ALL_MODES, use_async=use_async)


def test_an_async_run_waits_without_its_loop() -> None:
    """While one run waits, the loop is everybody's."""
    from .engines import DRUMLINE as e

    graph = one(e, fails(e, 1, Odd), e.RetryPolicy(initial_interval=0.2, jitter=False))

    async def both() -> list[str]:
        order = []

        async def other_work() -> None:
            await asyncio.sleep(0.01)
            order.append("other")

        async def run() -> None:
            await graph.ainvoke(EMPTY)
            order.append("run")

        await asyncio.gather(run(), other_work())
        return order

    assert asyncio.run(both()) == ["other", "run"]


def test_a_retry_does_not_begin_before_its_time() -> None:
    from .engines import DRUMLINE as e

    times: list[float] = []

    def node(_: Any) -> Any:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Odd
        return {}

    one(e, node, e.RetryPolicy(initial_interval=0.05, jitter=False)).invoke(EMPTY)
    assert times[1] - times[0] >= 0.05


@newest_oracle
def test_an_answer_that_came_before_its_question_is_the_nodes_in_all_tries(other: Engine) -> None:
    def story(e: Engine) -> Any:
        tries: list[Any] = []

        def node(_: Any) -> Any:
            tries.append(e.interrupt("why?"))
            if len(tries) < 3:
                raise Odd
            return {"log": [tries[-1]]}

        builder = e.StateGraph(e_state()).add_node("n", node, retry_policy=quick(e)).add_edge(e.START, "n")
        graph = e.runnable(builder.compile(checkpointer=e.InMemorySaver(), interrupt_before=["n"]))
        config = {"configurable": {"thread_id": "t"}}
        return graph.invoke(EMPTY, config), graph.invoke(e.Command(resume="so"), config), tries

    same_outcome(story, other)
