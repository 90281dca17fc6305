"""Answers that a question cannot take, several questions of one node at once, and answers at breakpoints."""

from __future__ import annotations

import operator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, ValidationError
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine

from drumline.testing import SimCluster

ENGINES = [LANGGRAPH, DRUMLINE, DRUMLINE_STRICT, ADAPTED, ADAPTED_STRICT]
engines = pytest.mark.parametrize("e", ENGINES, ids=lambda e: e.name)
CONFIG = {"configurable": {"thread_id": "1"}}
IN: dict[str, Any] = {"log": []}


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


class Decision(BaseModel):
    yes: bool


def graph_of(e: Engine, node: Any, **options: Any) -> Any:
    builder = e.StateGraph(State).add_node("n", node).add_edge(e.START, "n")
    return e.runnable(builder.compile(checkpointer=e.InMemorySaver(), **options))


def two_questions(e: Engine) -> Any:
    def node(_state: State) -> dict[str, Any]:
        name = e.interrupt("name?")
        return {"log": [name, e.interrupt("sure?", response_schema=Decision).yes]}

    return node


def waiting(graph: Any) -> dict[Any, str]:
    return {question.value: question.id for question in graph.get_state(CONFIG).interrupts}


@engines
@pytest.mark.parametrize("by_id", [False, True])
def test_an_answer_of_another_form_leaves_the_question_open(e: Engine, by_id: bool) -> None:
    graph = graph_of(e, two_questions(e))
    graph.invoke(IN, CONFIG)
    graph.invoke(e.Command(resume="me"), CONFIG)
    before = waiting(graph)

    def answer(value: Any) -> Any:
        return graph.invoke(e.Command(resume={before["sure?"]: value} if by_id else value), CONFIG)

    for _ in range(2):
        with pytest.raises(ValidationError) as raised:
            answer({"yes": "perhaps"})
        assert e.module("errors").is_invalid_resume(raised.value)
        assert waiting(graph) == before
    assert answer({"yes": False}) == {"log": ["me", False]}


@engines
def test_other_errors_are_no_unfit_answers(e: Engine) -> None:
    def node(_state: State) -> dict[str, Any]:
        e.interrupt("sure?")
        Decision(yes="perhaps")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        return {}

    graph = graph_of(e, node)
    graph.invoke(IN, CONFIG)
    with pytest.raises(ValidationError) as raised:
        graph.invoke(e.Command(resume="yes"), CONFIG)
    assert not e.module("errors").is_invalid_resume(raised.value)


def test_an_answer_of_another_form_on_a_cluster() -> None:
    with SimCluster({"g": graph_of(DRUMLINE, two_questions(DRUMLINE))}) as cluster:
        graph = cluster.graph("g")
        graph.invoke(IN, CONFIG)
        graph.invoke(DRUMLINE.Command(resume="me"), CONFIG)
        with pytest.raises(ValidationError) as raised:
            graph.invoke(DRUMLINE.Command(resume={"yes": "perhaps"}), CONFIG)
        assert DRUMLINE.module("errors").is_invalid_resume(raised.value)
        assert graph.invoke(DRUMLINE.Command(resume={"yes": True}), CONFIG) == {"log": ["me", True]}


class Line(BaseModel):
    amount: int


class Bill(BaseModel):
    lines: list[Line]


class Loose(TypedDict):
    """What the answer is made of only the question says."""

    answer: Any


def asks_for(e: Engine, form: Any, *, deep: bool) -> Any:
    """A graph that keeps the answer as the form that it asks for; `deep`: the question stands in a function within."""

    def node(_state: Loose) -> Loose:
        if deep:
            return {"answer": (lambda: e.interrupt("bill?", response_schema=Bill))()}
        return {"answer": e.interrupt("bill?", response_schema=form)}

    def look(state: Loose) -> Loose:
        return {"answer": [state["answer"], state["answer"].lines[0].amount]}

    nodes = e.StateGraph(Loose).add_node("node", node).add_node("look", look).add_edge(e.START, "node")
    return nodes.add_edge("node", "look")


@engines
@pytest.mark.parametrize("deep", [False, True])
def test_the_class_of_an_answer_that_only_the_question_names(e: Engine, deep: bool) -> None:
    graph = e.runnable(asks_for(e, Bill, deep=deep).compile(checkpointer=e.InMemorySaver()))
    graph.invoke({"answer": None}, CONFIG)
    found = graph.invoke(e.Command(resume={"lines": [{"amount": 3}]}), CONFIG)
    assert found == graph.get_state(CONFIG).values == {"answer": [Bill(lines=[Line(amount=3)]), 3]}


def test_the_class_of_an_answer_on_a_cluster() -> None:
    with SimCluster({"g": asks_for(DRUMLINE, Bill, deep=False).compile()}, workers=2) as cluster:
        graph = cluster.graph("g")
        graph.invoke({"answer": None}, CONFIG)
        found = graph.invoke(DRUMLINE.Command(resume={"lines": [{"amount": 3}]}), CONFIG)
    assert found == {"answer": [Bill(lines=[Line(amount=3)]), 3]}


@engines
def test_questions_that_one_node_asks_in_threads(e: Engine) -> None:
    """The one that was asked first is not awaited: the other one is shown, and each takes an answer in its turn."""

    def node(_state: State) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(copy_context().run, e.interrupt, "first?")
            first.exception()
            second = pool.submit(copy_context().run, e.interrupt, "second?")
            return {"log": [second.result(), first.result()]}

    graph = graph_of(e, node)
    graph.invoke(IN, CONFIG)
    told = []
    for answer in ("one", "two"):
        asked = waiting(graph)
        told.append(list(asked))
        graph.invoke(e.Command(resume=dict.fromkeys(asked.values(), answer)), CONFIG)
    state = graph.get_state(CONFIG)
    assert (state.next, state.values, told) == ((), {"log": ["two", "one"]}, [["second?"], ["second?"]])


@engines
@pytest.mark.parametrize("depth", [1, 2])
def test_a_question_within_is_answered_by_the_id_that_the_state_shows(e: Engine, depth: int) -> None:
    config = {"configurable": {"thread_id": "1", "__pregel_strict_resume": True}}
    within = e.StateGraph(State).add_node("n", lambda _: {"log": [e.interrupt("well?")]}).add_edge(e.START, "n")
    for _ in range(depth - 1):
        within = e.StateGraph(State).add_node("child", within.compile()).add_edge(e.START, "child")
    graph = graph_of(e, within.compile())
    (asked,) = graph.invoke(IN, config)["__interrupt__"]
    (shown,) = graph.get_state(config).interrupts
    assert shown == asked
    assert shown == graph.get_state(config, subgraphs=True).tasks[0].state.interrupts[0]
    assert graph.invoke(e.Command(resume={shown.id: "fine"}), config) == {"log": ["fine"]}


@engines
def test_any_answer_ends_a_breakpoint_also_where_answers_are_checked(e: Engine) -> None:
    config = {"configurable": {"thread_id": "1", "__pregel_strict_resume": True}}
    graph = graph_of(e, lambda _: {"log": ["ran"]}, interrupt_before=["n"])
    graph.invoke(IN, config)
    with pytest.raises(
        e.module("errors").UnknownInterruptError, match=f"Unknown or already-consumed interrupt: {'0' * 32}"
    ):
        graph.invoke(e.Command(resume={"0" * 32: "x"}), config)
    assert graph.invoke(e.Command(resume="go"), config) == {"log": ["ran"]}


def test_any_answer_ends_a_breakpoint_on_a_cluster() -> None:
    graph = graph_of(DRUMLINE, lambda _: {"log": ["ran"]}, interrupt_before=["n"])
    with SimCluster({"g": graph}) as cluster:
        remote = cluster.graph("g")
        remote.invoke(IN, CONFIG)
        assert remote.invoke(DRUMLINE.Command(resume="go"), CONFIG) == {"log": ["ran"]}
        with pytest.raises(DRUMLINE.module("errors").UnknownInterruptError):
            remote.invoke(DRUMLINE.Command(resume="go"), CONFIG)


def two_askers(e: Engine) -> Any:
    nodes = e.StateGraph(State).add_node("a", lambda _: {"log": [e.interrupt("a?")]}).add_edge(e.START, "a")
    return nodes.add_node("b", lambda _: {"log": [e.interrupt("b?")]}).add_edge(e.START, "b")


SEVERAL = "When there are multiple pending interrupts, you must specify the interrupt id when resuming"


@engines
def test_one_answer_to_several_questions(e: Engine) -> None:
    graph = e.runnable(two_askers(e).compile(checkpointer=e.InMemorySaver()))
    graph.invoke(IN, CONFIG)
    with pytest.raises(RuntimeError, match=SEVERAL):
        graph.invoke(e.Command(resume="x"), CONFIG)
    assert len(waiting(graph)) == 2


def test_one_answer_to_several_questions_on_a_cluster() -> None:
    with SimCluster({"g": two_askers(DRUMLINE).compile()}) as cluster:
        cluster.graph("g").invoke(IN, CONFIG)
        with pytest.raises(RuntimeError, match=SEVERAL):
            cluster.graph("g").invoke(DRUMLINE.Command(resume="x"), CONFIG)
