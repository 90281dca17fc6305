"""What a failure looks like to the consumer: docs/semantics.md §1.11, §2 O14, §3.3, §3.9."""

import asyncio
import threading
from typing import Any

import pytest

from .engines import LANGGRAPH, Engine
from .harness import assert_same, outcome, record, same
from .normal import Recorded
from .states import EMPTY, Log, chain, fan, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


class Custom(Exception):
    def __init__(self, code: int, *, hint: str = "none") -> None:
        super().__init__(code)
        self.hint = hint

    def __str__(self) -> str:
        return f"custom {self.args[0]} ({self.hint})"


ERRORS: dict[str, BaseException] = {
    "value": ValueError("boom"),
    "key": KeyError("gone"),
    "custom": Custom(3, hint="look"),
    "assertion": AssertionError(),
    "chained": RuntimeError("outer"),
    "timeout": TimeoutError("late"),
}


@both_ways
@pytest.mark.parametrize("kind", ERRORS)
def test_one_failing_node(other: Engine, kind: str, use_async: bool) -> None:
    """All of the steps before, the failed result with the exception object, then the exception."""

    def build(e: Engine) -> Any:
        def boom(_: Any, writer: e.StreamWriter) -> Any:
            writer("before")
            raise ERRORS[kind]

        return chain(e, says("1"), boom, says("3"))

    stream = same(build, other, EMPTY, exact=True, use_async=use_async)
    assert type(stream.error) is type(ERRORS[kind])
    assert stream.payloads("tasks")[-1]["error"] is stream.error
    found = record(build(other), EMPTY, use_async=use_async)
    assert type(found.error) is type(ERRORS[kind])
    assert found.error.args == ERRORS[kind].args  # type: ignore[union-attr]


@both_ways
def test_failing_async_node(other: Engine, use_async: bool) -> None:
    if not use_async and other.root == "langgraph":
        pytest.skip("LangGraph cannot run async nodes under stream()")

    def build(e: Engine) -> Any:
        async def boom(_: Any, writer: e.StreamWriter) -> Any:
            writer("before")
            await asyncio.sleep(0)
            writer("still before")
            raise ValueError("boom")

        return chain(e, says("1"), boom)

    same(build, other, EMPTY, exact=True, use_async=True, other_async=use_async)


def run_gated(e: Engine) -> Recorded:
    """`fast` ends first, then `boom` fails: each step of the way is released by the consumer."""
    seen = threading.Event()

    def boom(_: Any) -> Any:
        assert seen.wait(30)
        raise ValueError("boom")

    graph = fan(e, boom=boom, fast=says("fast"))
    found = Recorded()
    try:
        for mode, payload in graph.stream(EMPTY, stream_mode=["values", "updates", "tasks", "custom"]):
            found.items.extend(Recorded.of([(mode, payload)]).items)
            if mode == "tasks" and payload.get("result"):
                seen.set()
    except ValueError as error:
        found.error = error
    return found


def test_sibling_that_finished_before_the_failure(other: Engine) -> None:
    expected, found = run_gated(LANGGRAPH), run_gated(other)
    assert_same(expected, found, other, exact=True)
    assert found.payloads("updates") == [{"fast": {"log": ["fast"]}}]
    assert [item.mode for item in found.items][-1] == "tasks"
    assert len(found.payloads("values")) == 1


def test_async_siblings_are_cancelled(other: Engine) -> None:
    def run(e: Engine) -> tuple[list[str], str]:
        told: list[str] = []

        async def slow(_: Any) -> Any:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append("cancelled")
                raise

        async def boom(_: Any) -> Any:
            await asyncio.sleep(0)
            raise ValueError("boom")

        graph = fan(e, boom=boom, slow=slow)
        text = outcome(lambda: asyncio.run(graph.ainvoke(EMPTY)))
        return told, text

    assert run(other) == run(LANGGRAPH) == (["cancelled"], "raised <ValueError: boom>")


def test_sync_sibling_runs_to_its_end(other: Engine) -> None:
    """The exception leaves stream() only after the other thread has ended."""

    def run(e: Engine) -> tuple[list[str], str]:
        told: list[str] = []
        started, failed = threading.Event(), threading.Event()

        def slow(_: Any) -> Any:
            started.set()
            assert failed.wait(30)
            told.append("ran out")
            return {"log": ["slow"]}

        def boom(_: Any) -> Any:
            assert started.wait(30)
            failed.set()
            raise ValueError("boom")

        text = outcome(lambda: fan(e, boom=boom, slow=slow).invoke(EMPTY))
        return told, text

    assert run(other) == run(LANGGRAPH) == (["ran out"], "raised <ValueError: boom>")


def test_closing_a_stream_ends_the_run(other: Engine) -> None:
    """Sync: the step that started runs out, nothing new is planned. Async: tasks are cancelled."""

    def run(e: Engine) -> list[str]:
        told: list[str] = []

        def node(name: str) -> Any:
            def body(_: Any, writer: e.StreamWriter) -> Any:
                writer(name)
                told.append(name)

            return body

        stream = chain(e, node("1"), node("2")).stream(EMPTY, stream_mode=["custom"])
        assert next(stream) == ("custom", "1")
        stream.close()
        return told

    assert run(other) == run(LANGGRAPH) == ["1"]


def test_closing_an_async_stream_cancels(other: Engine) -> None:
    def run(e: Engine) -> list[str]:
        told: list[str] = []

        async def node(_: Any, writer: e.StreamWriter) -> Any:
            writer("here")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append("cancelled")
                raise

        async def drive() -> None:
            stream = chain(e, node).astream(EMPTY, stream_mode="custom")
            assert await anext(stream) == "here"
            await stream.aclose()

        asyncio.run(drive())
        return told

    assert run(other) == run(LANGGRAPH) == ["cancelled"]


def test_error_in_a_start_router(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def route(_: Any) -> str:
            e.get_stream_writer()("routing")
            raise ValueError("no way")

        builder = e.StateGraph(Log).add_node("n", says("n"))
        return builder.add_conditional_edges(e.START, route, ["n"]).compile()

    same(build, other, EMPTY, exact=True)
    same(build, other, EMPTY, exact=True, use_async=True)


def test_errors_in_two_runs_of_one_graph(other: Engine) -> None:
    """A failed run leaves nothing behind in the compiled graph."""

    def build(e: Engine) -> Any:
        def node(state: Any) -> Any:
            if not state["log"]:
                raise ValueError("empty")
            return {"log": ["ok"]}

        return chain(e, node)

    def run(e: Engine) -> list[Any]:
        graph = build(e)
        return [outcome(lambda i=i: graph.invoke({"log": i})) for i in ([], ["x"], [], ["y"])]  # type: ignore[misc]

    assert run(other) == run(LANGGRAPH)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_base_exceptions_pass(other: Engine, error: type[BaseException]) -> None:
    def boom(_: Any) -> Any:
        raise error("stop")

    with pytest.raises(error):
        chain(other, boom).invoke(EMPTY)
