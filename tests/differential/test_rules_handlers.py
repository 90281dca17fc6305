"""`error_handler=`: what follows a node that has failed for good (docs/semantics.md §5.6)."""

from typing import Any

import pytest

from .engines import Engine
from .harness import ALL_MODES, newest_oracle, same, same_outcome
from .states import EMPTY, Log, chain, says

pytestmark = newest_oracle

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


def fails(use_async: bool = False, error: Any = None) -> Any:
    def body(_: Any) -> Any:
        raise error or ValueError("no")

    async def abody(state: Any) -> Any:
        return body(state)

    return abody if use_async else body


def handler(e: Engine, *, command: Any = None) -> Any:
    def handle(state: Any, error: e.NodeError) -> Any:
        said = f"{error.node}: {type(error.error).__name__} {error.error}, {sorted(state)}"
        if command is not None:
            return e.Command(update={"log": [said]}, goto=command)
        return {"log": [said]}

    return handle


def build(e: Engine, node: Any, *, siblings: bool = False, **given: Any) -> Any:
    builder = e.StateGraph(Log)
    builder.add_node("n", node, **given)
    builder.add_node("z", says("z"))
    builder.add_edge(e.START, "n").add_edge("n", "z")
    if siblings:
        for name in ("a", "y"):
            builder.add_node(name, says(name))
            builder.add_edge(e.START, name)
    return builder.compile()


@both_ways
@pytest.mark.parametrize("siblings", [False, True])
def test_a_handler_answers_in_place_of_its_node(other: Engine, use_async: bool, siblings: bool) -> None:
    same(
        lambda e: build(e, fails(use_async), error_handler=handler(e), siblings=siblings),
        other,
        EMPTY,
        ALL_MODES if not siblings else ["updates", "values", "tasks"],
        use_async=use_async,
    )


def test_a_handler_says_where_to_go(other: Engine) -> None:
    same(lambda e: build(e, fails(), error_handler=handler(e, command="z")), other, EMPTY, ALL_MODES)


def test_a_handler_of_an_async_run_may_be_async(other: Engine) -> None:

    def make(e: Engine) -> Any:
        async def handle(_: Any, error: e.NodeError) -> Any:
            return {"log": [error.node]}

        return build(e, fails(True), error_handler=handle)

    same(make, other, EMPTY, ALL_MODES, use_async=True)


def test_a_handler_that_fails_ends_the_run(other: Engine) -> None:

    def make(e: Engine) -> Any:
        def handle(_: Any) -> Any:
            raise KeyError("the handler")

        return build(e, fails(), error_handler=handle)

    same(make, other, EMPTY, ALL_MODES)


def test_a_handler_comes_after_the_last_try(other: Engine) -> None:

    def make(e: Engine) -> Any:
        policy = e.RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)
        return build(e, fails(), error_handler=handler(e), retry_policy=policy)

    same(make, other, EMPTY, ALL_MODES)


def test_a_handler_of_all_nodes(other: Engine) -> None:

    def make(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.set_node_defaults(error_handler=handler(e))
        builder.add_node("n", fails())
        builder.add_node("own", fails(), error_handler=lambda _: {"log": ["its own"]})
        builder.add_edge(e.START, "n").add_edge(e.START, "own")
        return builder.compile()

    same(make, other, EMPTY, ["values"])


def test_sends_that_fail_are_handled_each(other: Engine) -> None:

    def make(e: Engine) -> Any:
        def worker(state: Any) -> Any:
            if state["x"] % 2:
                raise ValueError(state["x"])
            return {"log": [state["x"]]}

        def handle(state: Any, error: e.NodeError) -> Any:
            return {"log": [f"{state['x']}: {error.error}"]}

        builder = e.StateGraph(Log)
        builder.add_node("w", worker, error_handler=handle)
        builder.add_conditional_edges(e.START, lambda _: [e.Send("w", {"x": x}) for x in range(4)], ["w"])
        return builder.compile()

    same(make, other, EMPTY, ["values"])


@pytest.mark.parametrize("subgraphs", [False, True])
def test_a_graph_as_a_node_is_handled_as_a_whole(other: Engine, subgraphs: bool) -> None:

    def make(e: Engine) -> Any:
        return build(e, chain(e, says("first"), fails()), error_handler=handler(e))

    same(make, other, EMPTY, ["custom", "updates", "values", "tasks"], subgraphs=subgraphs)


def test_a_question_is_no_error(other: Engine) -> None:

    def make(e: Engine) -> Any:
        return build(e, lambda _: {"log": [e.interrupt("why?")]}, error_handler=handler(e))

    same(make, other, EMPTY, ALL_MODES)


def test_a_taken_name_is_an_error(other: Engine) -> None:

    def make(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.add_node("__error_handler__n", says("n"))
        builder.add_edge(e.START, "__error_handler__n")
        builder.add_node("n", says("n"), error_handler=says("h"))
        return builder.compile()

    assert "ValueError" in same_outcome(make, other, words=False)
