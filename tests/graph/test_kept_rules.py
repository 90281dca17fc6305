"""Rules of plan, apply and their data that graphs rely on and that no comparison with LangGraph happens to touch."""

from __future__ import annotations

import operator
import sys
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from langchain_core.messages import HumanMessage, RemoveMessage
from tests.graph.driver import outcome
from typing_extensions import TypedDict

from drumline_graph.builder import StateGraph
from drumline_graph.channels import BinaryOperatorAggregate, DeltaChannel, Topic
from drumline_graph.constants import START
from drumline_graph.delta import diff, patch
from drumline_graph.message import add_messages
from drumline_graph.retrying import default_retry_on
from drumline_graph.superstep import State, plan


class Plain(TypedDict, total=False):
    n: int


def one_node() -> Any:
    return StateGraph(Plain).add_node("a", lambda _state: None).add_edge(START, "a").compile()


def test_a_node_does_not_run_again_for_what_it_ran_for_already() -> None:
    """Whoever plans without knowing what changed last (a run that is read from storage) looks at every node."""
    program, edge = one_node(), "branch:to:a"
    fired = State({edge: None}, {edge: 3}, {}, 3)
    assert [task.name for task in plan(program, fired, None, step=1, stop=9)] == ["a"]
    ran = State({edge: None}, {edge: 3}, {"a": {edge: 3}}, 3)
    assert plan(program, ran, None, step=2, stop=9) == []
    fired_again = State({edge: None}, {edge: 4}, {"a": {edge: 3}}, 4)
    assert [task.name for task in plan(program, fired_again, None, step=3, stop=9)] == ["a"]


def test_what_a_copy_of_a_state_runs_is_not_seen_by_the_original() -> None:
    program, edge = one_node(), "branch:to:a"
    original = State({edge: None}, {edge: 3}, {"a": {edge: 2}}, 3)
    original.copy().advance(program, {}, [("a", [edge])])
    assert [task.name for task in plan(program, original, None, step=1, stop=9)] == ["a"]


def test_a_node_may_consume_its_list_of_a_topic() -> None:
    class Collected(TypedDict, total=False):
        words: Annotated[list[str], Topic(str, accumulate=True)]
        left: int

    def consumes(state: Any) -> dict[str, Any]:
        state["words"].clear()
        return {"left": len(state["words"])}

    graph = StateGraph(Collected).add_node("consumes", consumes).add_node("after", lambda _state: {"words": ["c"]})
    graph.add_edge(START, "consumes").add_edge("consumes", "after")
    assert outcome(graph.compile(), {"words": ["a", "b"]}) == {"words": ["a", "b", "c"], "left": 0}


def test_a_key_that_moves_in_a_dict_stands_where_it_was_moved_to() -> None:
    def to_the_end(state: dict[str, int], writes: Any) -> dict[str, int]:
        moved = {key: value for key, value in state.items() if key not in writes}
        return {**moved, **{key: state[key] for key in writes}}

    channel = DeltaChannel(to_the_end, dict)
    old = {"a": 1, "b": 2, "c": 3, "d": 4}
    new = channel.update(old, ["a"])
    assert list(patch(old, diff(channel, old, new, ["a"]))) == ["b", "c", "d", "a"]


def test_two_reducers_of_one_key_make_two_versions_of_a_graph() -> None:
    def with_reducer(reducer: Any) -> str:
        graph = StateGraph(Annotated[int, reducer]).add_node("a", lambda _state: None).add_edge(START, "a")  # type: ignore[arg-type]
        return graph.compile().fingerprint  # type: ignore[no-any-return]

    assert BinaryOperatorAggregate(int, max).signature() != BinaryOperatorAggregate(int, min).signature()
    assert DeltaChannel(max).signature() != DeltaChannel(min).signature()
    assert with_reducer(operator.add) == with_reducer(operator.add)
    assert with_reducer(operator.add) != with_reducer(operator.mul)


def test_a_message_that_one_write_removes_and_adds_again_stays() -> None:
    history = [HumanMessage("old", id="1"), HumanMessage("other", id="2")]
    merged = add_messages(history, [RemoveMessage(id="1"), HumanMessage("new", id="1")])
    assert [(message.id, message.content) for message in merged] == [("1", "new"), ("2", "other")]


# -- what is worth another attempt ------------------------------------------------------------------


class HttpError(Exception):
    """Stands for the error of a library that is imported: it has a response."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.response = None if status is None else SimpleNamespace(status_code=status)


@pytest.mark.parametrize("library", ["httpx", "requests"])
@pytest.mark.parametrize(("status", "again"), [(404, False), (499, False), (500, True), (599, True), (600, False)])
def test_of_http_errors_those_of_the_server_are_tried_again(
    monkeypatch: pytest.MonkeyPatch, library: str, status: int, again: bool
) -> None:
    names = {"httpx": "HTTPStatusError", "requests": "HTTPError"}
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library, SimpleNamespace(**{names[library]: HttpError}))
    assert default_retry_on(HttpError(status)) is again
    if library == "requests":
        assert default_retry_on(HttpError(None)), "an exchange that broke"


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), False),  # an OSError
        (FileNotFoundError(), False),
        (ValueError(), False),
        (KeyError(), False),
        (ZeroDivisionError(), False),
        (RuntimeError(), False),
        (StopIteration(), False),
        (type("Own", (Exception,), {})(), True),
    ],
)
def test_mistakes_are_not_tried_again_and_everything_else_is(error: Exception, again: bool) -> None:
    assert default_retry_on(error) is again
