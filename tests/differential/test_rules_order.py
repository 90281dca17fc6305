"""Order of events and of supersteps: docs/semantics.md §2, §3.2-3.5, §3.9 and Appendix B."""

import threading
from typing import Any

import pytest

from .engines import LANGGRAPH, Engine
from .harness import ALL_MODES, assert_same, record, same
from .normal import Recorded
from .states import EMPTY, Log, chain, fan, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


def logs(stream: Recorded) -> list[Any]:
    return [values["log"] for values in stream.payloads("values")]


def updated(stream: Recorded) -> list[str]:
    return [name for update in stream.payloads("updates") for name in update]


def test_updates_in_order_of_completion_and_state_in_order_of_path(other: Engine) -> None:
    """O4, O10: each node waits until the consumer has seen the `updates` of the one before it."""

    def run(e: Engine) -> tuple[list[str], Any]:
        seen = {name: threading.Event() for name in "abc"}

        def node(name: str, after: str | None) -> Any:
            def body(_: Any) -> Any:
                assert after is None or seen[after].wait(30)
                return {"log": [name]}

            return body

        graph = (
            e.StateGraph(Log)
            .add_node("a", node("a", "c"))
            .add_node("b", node("b", None))
            .add_node("c", node("c", "b"))
            .add_node("z", says("z"))
            .add_edge(e.START, "a")
            .add_edge(e.START, "b")
            .add_edge(e.START, "c")
            .add_edge(["a", "b", "c"], "z")
            .compile()
        )
        order: list[str] = []
        state = None
        for mode, payload in graph.stream(EMPTY, stream_mode=["values", "updates", "custom"]):
            if mode == "updates":
                order.extend(payload)
                seen.get(order[-1], threading.Event()).set()
            elif mode == "values":
                order.append("values")
                state = payload
        return order, state

    expected = (["values", "b", "c", "a", "values", "z", "values"], {"log": ["a", "b", "c", "z"]})
    assert run(LANGGRAPH) == expected
    assert run(other) == expected


@both_ways
def test_order_inside_a_task(other: Engine, use_async: bool) -> None:
    """O1-O3, O5, O7: everything in one stream, item by item."""

    def build(e: Engine) -> Any:
        def node(state: Any, writer: e.StreamWriter) -> Any:
            writer("one")
            e.get_stream_writer()("two")
            writer(("three", {"n": len(state["log"])}))
            return {"log": ["n"]}

        return chain(e, node, node)

    stream = same(build, other, EMPTY, exact=True, use_async=use_async)
    step = ["tasks", "debug", "custom", "custom", "custom", "updates", "tasks", "debug", "values"]
    assert [item.mode for item in stream.items] == ["values", *step, *step]


@both_ways
def test_tasks_before_debug_and_starts_before_all(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        def node(name: str) -> Any:
            def run(_: Any, writer: e.StreamWriter) -> Any:
                writer({"lane": name})
                return {"log": [name]}

            return run

        return fan(e, **{name: node(name) for name in ("z", "b", "a10", "a9", "B")})

    stream = same(build, other, EMPTY, use_async=use_async)
    starts = [p["name"] for p in stream.payloads("tasks") if "triggers" in p]
    assert starts == ["B", "a10", "a9", "b", "z"]
    assert logs(stream)[-1] == starts


@both_ways
def test_pull_applies_before_push(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return (
            e.StateGraph(Log)
            .add_node("p", says("p"))
            .add_node("q", says("q"))
            .add_node("w", lambda s: {"log": [f"w{s['x']}"]})
            .add_edge(e.START, "p")
            .add_edge("p", "q")
            .add_conditional_edges("p", lambda _: [e.Send("w", {"x": i}) for i in range(3)])
            .compile()
        )

    stream = same(build, other, EMPTY, use_async=use_async)
    assert logs(stream)[-1] == ["p", "q", "w0", "w1", "w2"]
    starts = [p["name"] for p in stream.payloads("tasks") if "triggers" in p]
    assert starts == ["p", "w", "w", "w", "q"]


@both_ways
def test_twelve_sends_keep_numeric_order(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        return (
            e.StateGraph(Log)
            .add_node("w", lambda s: {"log": [s["x"]]})
            .add_conditional_edges(e.START, lambda _: [e.Send("w", {"x": i}) for i in range(12)])
            .compile()
        )

    stream = same(build, other, EMPTY, use_async=use_async)
    assert logs(stream)[-1] == list(range(12))


def test_sends_of_several_tasks_are_ordered_by_issuing_path(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def router(name: str) -> Any:
            def route(_: Any) -> Any:
                return [e.Send("w", {"y": f"{name}{i}"}) for i in range(2)]

            return route

        builder = e.StateGraph(Log).add_node("w", lambda s: {"log": [s["y"]]})
        for name in ("c", "a", "b"):
            builder.add_node(name, says(name)).add_edge(e.START, name)
            builder.add_conditional_edges(name, router(name), ["w"])
        return builder.compile()

    stream = same(build, other, EMPTY)
    assert logs(stream)[-1] == ["a", "b", "c", "a0", "a1", "b0", "b1", "c0", "c1"]


def test_sends_from_sent_tasks(other: Engine) -> None:
    """PUSH tasks that send again: order by the path of the PUSH task, numerically."""

    def build(e: Engine) -> Any:
        def w(state: Any) -> Any:
            more = [e.Send("v", {"x": state["x"] * 100 + i}) for i in range(2)]
            return e.Command(update={"log": [state["x"]]}, goto=more)

        return (
            e.StateGraph(Log)
            .add_node("w", w)
            .add_node("v", lambda s: {"log": [s["x"]]})
            .add_conditional_edges(e.START, lambda _: [e.Send("w", {"x": i}) for i in range(11)])
            .compile()
        )

    stream = same(build, other, EMPTY)
    expected = [x * 100 + i for x in range(11) for i in range(2)]
    assert logs(stream)[-1] == [*range(11), *expected]


@pytest.mark.parametrize("as_list", [False, True])
def test_uneven_branches_fan_in(other: Engine, as_list: bool) -> None:
    """Two plain edges run the join twice, a list edge once."""

    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        for name in ("a", "b", "b2", "d"):
            builder.add_node(name, says(name))
        builder.add_edge(e.START, "a").add_edge(e.START, "b").add_edge("b", "b2")
        if as_list:
            builder.add_edge(["a", "b2"], "d")
        else:
            builder.add_edge("a", "d").add_edge("b2", "d")
        return builder.compile()

    stream = same(build, other, EMPTY)
    assert logs(stream)[-1].count("d") == (1 if as_list else 2)


def test_two_edges_to_one_node_run_it_once(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        for name in ("a", "b", "d"):
            builder.add_node(name, says(name))
        builder.add_edge(e.START, "a").add_edge(e.START, "b")
        builder.add_edge("a", "d").add_edge("b", "d")
        builder.add_conditional_edges("a", lambda _: ["d", "d"])
        return builder.compile()

    assert logs(same(build, other, EMPTY))[-1] == ["a", "b", "d"]


def _joined(e: Engine, *, deferred: str | None = None) -> Any:
    """A loop of two rounds through a list edge, beside a longer plain path."""
    builder = e.StateGraph(Log)
    for name in ("a", "b", "c", "d", "z"):
        builder.add_node(name, says(name), defer=name == deferred)
    builder.add_edge(e.START, "a").add_edge(e.START, "b").add_edge("b", "c")
    builder.add_edge(["a", "c"], "d").add_edge(["a", "b", "c"], "z").add_edge("c", "z")

    def again(state: Any) -> Any:
        return ["a", "b"] if state["log"].count("d") < 2 else e.END

    builder.add_conditional_edges("d", again, ["a", "b", e.END])
    return builder.compile()


@pytest.mark.parametrize("deferred", [None, "a", "c", "d", "z"])
def test_list_joins_reset_and_meet_defer(other: Engine, deferred: str | None) -> None:
    same(lambda e: _joined(e, deferred=deferred), other, EMPTY, config={"recursion_limit": 25})


def test_defer_waits_for_everything_else(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        for name in ("a", "b", "b2", "b3"):
            builder.add_node(name, says(name))
        builder.add_node("late", says("late"), defer=True)
        builder.add_node("later", says("later"), defer=True)
        for source, target in [("a", "late"), ("b", "b2"), ("b2", "b3"), ("b3", "late")]:
            builder.add_edge(source, target)
        builder.add_edge("a", "later").add_edge(e.START, "a").add_edge(e.START, "b")
        return builder.compile()

    stream = same(build, other, EMPTY)
    assert logs(stream)[-1] == ["a", "b", "b2", "b3", "late", "later"]


def test_deferred_nodes_in_a_row_and_a_goto_to_one(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.add_node("a", lambda _: e.Command(update={"log": ["a"]}, goto="late"))
        builder.add_node("b", says("b"))
        builder.add_node("late", says("late"), defer=True)
        builder.add_node("later", says("later"), defer=True)
        builder.add_edge(e.START, "a").add_edge(e.START, "b").add_edge("late", "later")
        builder.add_conditional_edges("b", lambda _: [e.Send("later", {"log": ["s"]})])
        return builder.compile()

    same(build, other, EMPTY)


@both_ways
def test_start_router_events_before_first_values(other: Engine, use_async: bool) -> None:
    """O12: the router of START runs in the hidden step 0."""

    def build(e: Engine) -> Any:
        def route(state: Any) -> str:
            e.get_stream_writer()({"routing": state["log"]})
            return "n"

        return e.StateGraph(Log).add_node("n", says("n")).add_conditional_edges(e.START, route, ["n"]).compile()

    stream = same(build, other, EMPTY, exact=True, use_async=use_async)
    assert [item.mode for item in stream.items][:2] == ["custom", "values"]


@both_ways
def test_router_events_after_body_and_before_updates(other: Engine, use_async: bool) -> None:
    """O13, and the router sees its own node's writes, not its siblings'."""

    def build(e: Engine) -> Any:
        def body(_: Any, writer: e.StreamWriter) -> Any:
            writer({"lane": "n", "at": "body"})
            return {"log": ["n"], "x": 1}

        def first(state: Any) -> str:
            e.get_stream_writer()({"lane": "n", "at": "first", "saw": dict(state)})
            return "z"

        def second(state: Any) -> str:
            e.get_stream_writer()({"lane": "n", "at": "second", "saw": dict(state)})
            return e.END

        return (
            e.StateGraph(Log)
            .add_node("n", body)
            .add_node("sibling", says("sibling"))
            .add_node("z", says("z"))
            .add_edge(e.START, "n")
            .add_edge(e.START, "sibling")
            .add_conditional_edges("n", first, ["z"])
            .add_conditional_edges("n", second, [e.END])
            .compile()
        )

    stream = same(build, other, {"log": ["i"]}, use_async=use_async)
    own = [p for p in stream.payloads("custom") if p["lane"] == "n"]
    assert [p["at"] for p in own] == ["body", "first", "second"]
    assert own[1]["saw"] == {"log": ["i", "n"], "x": 1}


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
@both_ways
def test_recursion_limit(other: Engine, limit: int, use_async: bool) -> None:
    """A chain of three passes with 4, and fails with 3 after all three `updates` (§3.9)."""

    def build(e: Engine) -> Any:
        return chain(e, says("1"), says("2"), says("3"))

    stream = same(build, other, EMPTY, exact=True, use_async=use_async, config={"recursion_limit": limit})
    assert (stream.error is None) == (limit >= 4)
    assert len(stream.payloads("updates")) == min(limit, 3)


@pytest.mark.parametrize("limit", [0, -1])
def test_recursion_limit_below_one(other: Engine, limit: int) -> None:
    def build(e: Engine) -> Any:
        return chain(e, says("1"))

    stream = same(build, other, EMPTY, words=False, config={"recursion_limit": limit})
    assert isinstance(stream.error, ValueError)


def test_recursion_error_is_a_recursion_error(other: Engine) -> None:
    with pytest.raises(other.GraphRecursionError) as caught:
        chain(other, says("1")).invoke(EMPTY, {"recursion_limit": 1})
    assert isinstance(caught.value, RecursionError)


@pytest.mark.parametrize("limit", [2, 3, 4])
def test_each_level_counts_its_own_steps(other: Engine, limit: int) -> None:
    def build(e: Engine) -> Any:
        return chain(e, chain(e, says("c1"), says("c2"), says("c3")), says("p"))

    same(build, other, EMPTY, config={"recursion_limit": limit})


def test_limit_at_a_deferred_node(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.add_node("a", says("a")).add_node("late", says("late"), defer=True)
        builder.add_edge(e.START, "a").add_edge("a", "late")
        return builder.compile()

    for limit in (1, 2, 3):
        same(build, other, EMPTY, config={"recursion_limit": limit})


@pytest.mark.parametrize("result", [None, {}, {"unknown": 1}])
@both_ways
def test_steps_without_writes_emit_no_values(other: Engine, result: Any, use_async: bool) -> None:
    stream = same(
        lambda e: chain(e, lambda _: result, says("2")),
        other,
        EMPTY,
        exact=True,
        use_async=use_async,
    )
    assert stream.payloads("updates")[0] == {"n1": None}
    assert logs(stream) == [[], ["2"]]


@pytest.mark.parametrize("input", [{}, {"unknown": 1}, {"x": 1, "unknown": 2}])
def test_first_values_only_if_the_input_wrote(other: Engine, input: Any) -> None:
    stream = same(lambda e: chain(e, says("1")), other, input, exact=True)
    assert len(stream.payloads("values")) == (2 if "x" in input else 1)


def test_input_that_starts_nothing_twice(other: Engine) -> None:
    """One compiled graph runs twice: nothing is left over from the first run."""

    def run(e: Engine) -> Any:
        graph = _joined(e)
        return [list(graph.stream(EMPTY, stream_mode="values")) for _ in range(2)]

    first, second = run(other)
    assert first == second == run(LANGGRAPH)[0]


@both_ways
def test_max_concurrency_does_not_change_the_stream(other: Engine, use_async: bool) -> None:
    """Limit 1 is compared with LangGraph without limit: there, live modes and limit 1 hang."""

    def build(e: Engine) -> Any:
        return fan(e, **{name: says(name) for name in "abcdef"})

    expected = same(build, other, EMPTY, use_async=use_async, config={"max_concurrency": 2})
    if other.root != "langgraph":
        config = {"max_concurrency": 1}
        found = record(build(other), EMPTY, use_async=use_async, config=config)
        assert_same(expected, found, other)


def test_values_alone_skip_nothing(other: Engine) -> None:
    for modes in (["values"], ["tasks"], ["debug"], ["updates", "values"], ALL_MODES[::-1]):
        same(
            lambda e: chain(e, says("1"), lambda _: None, says("3")),
            other,
            EMPTY,
            modes,
            exact=True,
        )
