"""`timeout=`: time limits of async nodes (docs/semantics.md §5.6). Limits are either long past or far away."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from .engines import Engine
from .harness import ALL_MODES, newest_oracle, same, same_outcome
from .states import EMPTY, Log, says

SHORT, LONG = 0.05, 30.0


def build(e: Engine, node: Any, **given: Any) -> Any:
    builder = e.StateGraph(Log)
    builder.add_node("n", node, **given)
    builder.add_edge(e.START, "n")
    return builder.compile()


def stuck(*written: str) -> Any:
    async def node(_: Any) -> Any:
        await asyncio.Event().wait()
        return {"log": list(written)}

    return node


@pytest.mark.parametrize("which", ["seconds", "timedelta", "run", "idle", "both"])
def test_a_node_that_is_stuck_fails(other: Engine, which: str) -> None:

    def make(e: Engine) -> Any:
        timeout = {
            "seconds": SHORT,
            "timedelta": timedelta(seconds=SHORT),
            "run": e.TimeoutPolicy(run_timeout=SHORT),
            "idle": e.TimeoutPolicy(idle_timeout=SHORT),
            "both": e.TimeoutPolicy(run_timeout=LONG, idle_timeout=timedelta(seconds=SHORT)),
        }[which]
        return build(e, stuck(), timeout=timeout)

    found = same(make, other, EMPTY, ["updates", "values"], use_async=True, words=False)
    assert found.error is not None


def test_a_node_in_time_ends_as_without(other: Engine) -> None:

    async def node(_: Any) -> Any:
        await asyncio.sleep(0)
        return {"log": ["n"]}

    same(lambda e: build(e, node, timeout=LONG), other, EMPTY, ALL_MODES, use_async=True)
    same(lambda e: build(e, node, timeout=e.TimeoutPolicy(idle_timeout=LONG)), other, EMPTY, ALL_MODES, use_async=True)


@newest_oracle
def test_a_timeout_is_tried_again_and_handled(other: Engine) -> None:

    def make(e: Engine) -> Any:
        def handle(_: Any, error: e.NodeError) -> Any:
            known = error.error
            return {"log": [error.node, type(known).__name__, known.kind, known.run_timeout, known.idle_timeout]}

        policy = e.RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=2)
        return build(e, stuck(), timeout=SHORT, retry_policy=policy, error_handler=handle)

    same(make, other, EMPTY, ["updates", "values", "custom"], use_async=True)


@pytest.mark.parametrize("how", ["heartbeat", "writer", "injected", "strict"])
def test_signs_of_life(other: Engine, how: str) -> None:
    """Six pauses of half the limit each: only signs of life let the node come to its end."""

    def make(e: Engine) -> Any:
        async def node(_: Any, writer: e.StreamWriter) -> Any:
            for number in range(6):
                await asyncio.sleep(0.15)
                if how == "heartbeat":
                    e.get_runtime().heartbeat()
                elif how == "writer":
                    e.get_stream_writer()(number)
                else:
                    writer(number)
            return {"log": ["n"]}

        refresh = "heartbeat" if how == "strict" else "auto"
        return build(e, node, timeout=e.TimeoutPolicy(idle_timeout=0.4, refresh_on=refresh))

    found = same(make, other, EMPTY, ["updates"], use_async=True, words=False)
    assert (found.error is not None) == (how == "strict")


def test_what_a_node_says_when_its_time_is_up_is_left_out(other: Engine) -> None:

    def make(e: Engine) -> Any:
        async def node(_: Any, writer: e.StreamWriter) -> Any:
            writer("before")
            try:
                await asyncio.Event().wait()
            finally:
                writer("behind")
            return {}

        return build(e, node, timeout=SHORT)

    same(make, other, EMPTY, ["custom", "updates"], use_async=True, words=False)


def test_a_send_has_a_limit_of_its_own(other: Engine) -> None:

    def make(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.add_node("n", stuck(), timeout=LONG)
        builder.add_conditional_edges(e.START, lambda _: [e.Send("n", {}, timeout=SHORT)], ["n"])
        return builder.compile()

    found = same(make, other, EMPTY, ["updates"], use_async=True, words=False)
    assert found.error is not None


def test_defaults_hold_for_nodes_and_their_handlers(other: Engine) -> None:
    """In LangGraph those of handlers are never looked at (issue 8842): this run would not end."""
    builder = other.StateGraph(Log).set_node_defaults(timeout=SHORT)
    builder.add_node("n", stuck(), error_handler=stuck())
    builder.add_edge(other.START, "n")
    with pytest.raises(other.NodeTimeoutError, match="__error_handler__n"):
        asyncio.run(other.runnable(builder.compile()).ainvoke(EMPTY))


@pytest.mark.parametrize("given", ["sync", "zero", "negative", "idle"])
def test_limits_that_cannot_be(other: Engine, given: str) -> None:

    def make(e: Engine) -> Any:
        if given == "sync":
            return build(e, says("n"), timeout=LONG)
        if given == "idle":
            return build(e, stuck(), timeout=e.TimeoutPolicy(idle_timeout=0))
        return build(e, stuck(), timeout={"zero": 0, "negative": -1}[given])

    assert "ValueError" in same_outcome(make, other, words=False)
