"""`RunControl`: a run that is asked to stop does so between two supersteps (docs/semantics.md §5.5)."""

from typing import Any

import pytest

from .engines import Engine
from .harness import ALL_MODES, same, same_outcome
from .states import EMPTY, Log, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
CONFIG = {"configurable": {"thread_id": "t"}}


def build(e: Engine, *, at: str, **given: Any) -> Any:
    """a, b and c beside it, z; the node `at` asks for the drain."""

    def asks(name: str) -> Any:
        def node(_: Any, runtime: e.Runtime) -> Any:
            if name == at:
                runtime.control.request_drain("deploy")
            return {"log": [f"{name} {runtime.drain_requested and name == at}"]}

        return node

    builder = e.StateGraph(Log)
    for name in "abz":
        builder.add_node(name, asks(name))
    builder.add_node("c", says("c"))
    builder.add_edge(e.START, "a").add_edge("a", "b").add_edge("a", "c").add_edge(["b", "c"], "z")
    return builder.compile(**given)


@both_ways
@pytest.mark.parametrize("at", ["a", "b", "z"])
def test_a_node_asks(other: Engine, at: str, use_async: bool) -> None:
    modes = ALL_MODES if at == "a" else ["values"]
    same(lambda e: build(e, at=at), other, EMPTY, modes, use_async=use_async, words=False)


def test_the_caller_asks_and_goes_on_later(other: Engine) -> None:
    def story(e: Engine) -> Any:
        graph = e.runnable(build(e, at="none", checkpointer=e.InMemorySaver()))
        control = e.RunControl()
        found = []
        try:
            for item in graph.stream(EMPTY, CONFIG, stream_mode="values", control=control):
                found.append(item)
                if len(found) == 2:
                    control.request_drain("deploy")
        except e.GraphDrained as drained:
            found.append(drained.reason)
        return found, list(graph.stream(None, CONFIG, stream_mode="values"))

    same_outcome(story, other)


def test_a_run_that_was_asked_before_does_nothing(other: Engine) -> None:
    def story(e: Engine) -> Any:
        control = e.RunControl()
        control.request_drain()
        try:
            return e.runnable(build(e, at="none")).invoke(EMPTY, control=control)
        except e.GraphDrained as drained:
            return drained.reason

    same_outcome(story, other)
