"""Where LangGraph's behaviour is a defect ("differs" in docs/semantics.md), drumline does the sane thing.

These tests say what that is. LangGraph is not compared here; see docs/semantics.md §11, rule 11.
"""

import asyncio
import contextlib
import operator
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

import pytest

from .engines import Engine
from .harness import raw, record
from .states import EMPTY, Log, chain, fan, says


@pytest.fixture(autouse=True)
def _only_drumline(other: Engine) -> None:
    if other.root == "langgraph":
        pytest.skip("LangGraph does otherwise")


@pytest.mark.parametrize("mode", ["nope", ["values", "nope"]])
def test_unknown_stream_mode(other: Engine, mode: Any) -> None:
    with pytest.raises(ValueError, match="nope"):
        list(chain(other, says("1")).stream(EMPTY, stream_mode=mode))


def test_tuple_of_modes_is_a_list(other: Engine) -> None:
    graph = chain(other, says("1"))
    as_tuple = list(graph.stream(EMPTY, stream_mode=("values", "updates")))
    assert as_tuple == list(graph.stream(EMPTY, stream_mode=["values", "updates"]))


TARGETS: dict[str, Any] = {
    "goto": lambda e: e.Command(goto="nowhere"),
    "goto in list": lambda e: e.Command(goto=["n2", "nowhere"]),
    "goto Send": lambda e: e.Command(goto=e.Send("nowhere", {})),
    "returned Send": lambda e: e.Send("nowhere", {}),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_unknown_target_of_a_node(other: Engine, kind: str) -> None:
    with pytest.raises(Exception, match="nowhere"):
        chain(other, lambda _: TARGETS[kind](other), says("2")).invoke(EMPTY)


IGNORED: dict[str, Any] = {
    "Send beside a Command": lambda e: [e.Command(update={"log": ["1"]}), e.Send("n2", {})],
    "Send to END": lambda e: e.Send(e.END, {}),
    "goto Send to END": lambda e: e.Command(goto=e.Send(e.END, {})),
    "update is a string": lambda e: e.Command(update="text"),
    "update is a number": lambda e: e.Command(update=3),
    "goto is a number": lambda e: e.Command(goto=3),
    "goto is None": lambda e: e.Command(goto=None),
}


@pytest.mark.parametrize("kind", IGNORED)
def test_what_langgraph_ignores_is_an_error(other: Engine, kind: str) -> None:
    """A result that would lose what its author meant; LangGraph goes on, or crashes inside."""
    with pytest.raises(Exception, match="n1"):
        chain(other, lambda _: IGNORED[kind](other), says("2")).invoke(EMPTY)


@pytest.mark.parametrize("kind", ["name", "send"])
def test_unknown_target_of_a_router(other: Engine, kind: str) -> None:
    def route(_: Any) -> Any:
        return "nowhere" if kind == "name" else [other.Send("nowhere", {})]

    builder = other.StateGraph(Log).add_node("n", says("n")).add_edge(other.START, "n")
    graph = builder.add_conditional_edges("n", route).compile()
    with pytest.raises(Exception, match="nowhere"):
        graph.invoke(EMPTY)


def test_no_updates_of_a_task_whose_router_failed(other: Engine) -> None:
    def route(_: Any) -> str:
        raise ValueError("router")

    builder = other.StateGraph(Log).add_node("n", says("n")).add_edge(other.START, "n")
    stream = record(builder.add_conditional_edges("n", route).compile(), EMPTY)
    assert isinstance(stream.error, ValueError)
    assert stream.payloads("updates") == []
    result = stream.payloads("tasks")[-1]
    assert isinstance(result["error"], ValueError)
    assert result["result"] == {}


def test_overwrite_as_the_first_write(other: Engine) -> None:
    def add(left: Any, right: Any) -> Any:
        return left + right

    class State(TypedDict):
        n: Annotated[int | None, add]

    graph = chain(other, lambda _: {"n": other.Overwrite(3)}, lambda _: {"n": 4}, state=State)
    assert graph.invoke({"n": 1}) == {"n": 7}
    empty = chain(other, lambda _: {"n": other.Overwrite(3)}, state=State)
    values = list(empty.stream({}, stream_mode="values"))
    assert values == [{"n": 3}]


@contextlib.contextmanager
def thread_of(call: Any) -> Iterator[None]:
    thread = threading.Thread(target=call)
    thread.start()
    yield
    thread.join(30)


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("live", [False, True], ids=["custom", "all modes"])
def test_writers_work_in_threads(other: Engine, live: bool, use_async: bool) -> None:
    """The injected writer, from a raw thread and from an executor; in LangGraph both raise."""

    def node(_: Any, writer: other.StreamWriter) -> Any:
        with thread_of(lambda: writer({"from": "thread"})):
            pass
        with ThreadPoolExecutor(1) as pool:
            pool.submit(writer, {"from": "pool"}).result(30)
        held = other.get_stream_writer()
        with thread_of(lambda: held({"from": "held"})):
            pass
        return {"log": ["n"]}

    modes = ["custom", "updates"] if live else ["custom"]
    stream = record(chain(other, chain(other, node)), EMPTY, modes, use_async=use_async)
    assert stream.error is None
    child = [item for item in stream.items if item.mode == "custom"]
    assert [item.payload["from"] for item in child] == ["thread", "pool", "held"]
    assert {len(item.ns) for item in child} == {1}


def test_async_nodes_under_sync_calls(other: Engine) -> None:
    async def node(state: Any, writer: other.StreamWriter) -> Any:
        writer("one")
        await asyncio.sleep(0)
        other.get_stream_writer()("two")
        return {"log": [len(state["log"])]}

    async def route(_: Any) -> str:
        return other.END

    builder = other.StateGraph(Log).add_node("a", node).add_node("b", node)
    builder.add_edge(other.START, "a").add_edge("a", "b").add_conditional_edges("b", route)
    graph = builder.compile()
    assert graph.invoke(EMPTY) == {"log": [0, 1]}
    assert graph.batch([EMPTY, {"log": [9]}]) == [{"log": [0, 1]}, {"log": [9, 1, 2]}]
    assert list(graph.stream(EMPTY, stream_mode="custom")) == ["one", "two"] * 2


def test_async_nodes_under_sync_calls_inside_a_running_loop(other: Engine) -> None:
    """As in a notebook: stream() is called from a coroutine."""

    async def node(_: Any) -> Any:
        await asyncio.sleep(0)
        return {"log": ["n"]}

    async def main() -> Any:
        return chain(other, node).invoke(EMPTY)

    assert asyncio.run(main()) == {"log": ["n"]}


def test_async_nodes_run_side_by_side_under_sync_calls(other: Engine) -> None:
    """Each waits for the other; only a loop that runs both can end this."""
    events: dict[str, asyncio.Event] = {}

    def node(mine: str, theirs: str) -> Any:
        async def run(_: Any) -> Any:
            for name in (mine, theirs):
                events.setdefault(name, asyncio.Event())
            events[mine].set()
            await asyncio.wait_for(events[theirs].wait(), 30)
            return {"log": [mine]}

        return run

    assert fan(other, a=node("a", "b"), b=node("b", "a")).invoke(EMPTY) == {"log": ["a", "b"]}


def test_late_events_are_dropped(other: Engine) -> None:
    """I7 wins over O9: what a node's leftover work writes after its result is not delivered."""
    release, written = threading.Event(), threading.Event()

    def node(_: Any, writer: other.StreamWriter) -> Any:
        def late() -> None:
            release.wait(30)
            writer("late")
            written.set()

        threading.Thread(target=late, daemon=True).start()
        writer("in time")
        return {"log": ["n"]}

    def after(_: Any, writer: other.StreamWriter) -> Any:
        release.set()
        assert written.wait(30)
        writer("after")

    items, error = raw(chain(other, node, after), EMPTY, stream_mode="custom")
    assert error is None
    assert items == ["in time", "after"]


def test_two_writers_of_overwrite_say_so(other: Engine) -> None:
    class State(TypedDict):
        log: Annotated[list, operator.add]

    graph = fan(
        other,
        State,
        a=lambda _: {"log": other.Overwrite(["a"])},
        b=lambda _: {"log": other.Overwrite(["b"])},
    )
    with pytest.raises(other.InvalidUpdateError, match="log"):
        graph.invoke(EMPTY)


def test_errors_name_what_was_wrong(other: Engine) -> None:
    """Two writers of a plain key: the key is in the message."""
    graph = fan(other, a=lambda _: {"x": 1}, b=lambda _: {"x": 2})
    with pytest.raises(other.InvalidUpdateError, match=r"\bx\b"):
        graph.invoke(EMPTY)
    with pytest.raises(other.InvalidUpdateError, match="n1"):
        chain(other, lambda _: "text").invoke(EMPTY)


PERSISTENCE: list[dict[str, Any]] = [
    {"checkpointer": object()},
    {"store": object()},
    {"cache": object()},
]


@pytest.mark.parametrize("options", PERSISTENCE, ids=lambda options: next(iter(options)))
def test_what_is_not_built_says_so(other: Engine, options: dict[str, Any]) -> None:
    builder = other.StateGraph(Log).add_node("n", says("n")).add_edge(other.START, "n")
    with pytest.raises(Exception, match=next(iter(options))):
        builder.compile(**options)


def in_place(left: list[str], right: list[str]) -> list[str]:
    left.extend(right)
    return left


class Placed(TypedDict):
    log: Annotated[list, in_place]


def test_a_reducer_that_changes_its_value_in_place(other: Engine) -> None:
    """It counts once, though a router looks at its result before it is applied; items that came stay as they were."""
    builder = other.StateGraph(Placed).add_node("n1", says("1")).add_node("n2", says("2")).add_edge(other.START, "n1")
    ends = ["n2", other.END]
    builder.add_conditional_edges("n1", lambda state: ends[state["log"] != ["0", "1"]], ends)
    items = list(builder.compile().stream({"log": ["0"]}, stream_mode="values"))
    assert items == [{"log": ["0"]}, {"log": ["0", "1"]}, {"log": ["0", "1", "2"]}]
