"""`interrupt()` without a checkpointer: how the run ends, and what the stream shows.

docs/semantics.md §1.2-1.11, §5.5.
"""

from typing import Any

import pytest
from pydantic import BaseModel

from .engines import LANGGRAPH, Engine
from .harness import ALL_MODES, assert_same, record, same, same_outcome
from .states import EMPTY, Log, chain, fan, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
versions = pytest.mark.parametrize("version", ["v1", "v2"])


def asks(e: Engine, question: Any, *, log: str = "never") -> Any:
    def node(_: Any, writer: e.StreamWriter) -> Any:
        writer({"before": question})
        answer = e.interrupt(question)
        return {"log": [log, answer]}

    return node


def same_stream(build: Any, other: Engine, *, exact: bool = False, use_async: bool = False, **options: Any) -> None:
    """Equal but for the ids of interrupts, which hash the engine's own task ids."""
    stream = same(build, other, EMPTY, ALL_MODES, exact=exact, use_async=use_async, **options)
    assert stream.error is None


@both_ways
def test_a_run_ends_with_its_question(other: Engine, use_async: bool) -> None:
    same_stream(lambda e: chain(e, says("a"), asks(e, "why?"), says("z")), other, use_async=use_async, exact=True)


@both_ways
def test_siblings_end_and_their_writes_are_shown(other: Engine, use_async: bool) -> None:
    same_stream(lambda e: fan(e, ask=asks(e, {"q": 1}), b=says("b"), c=says("c")), other, use_async=use_async)


def test_several_questions_of_one_step(other: Engine) -> None:
    same_stream(lambda e: fan(e, one=asks(e, 1), two=asks(e, 2)), other)


@both_ways
@pytest.mark.parametrize("subgraphs", [False, True])
def test_a_question_of_a_subgraph_is_its_parents(other: Engine, subgraphs: bool, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        child = fan(e, inner=asks(e, "inner?"), beside=says("beside"))
        return fan(e, child=child, sibling=says("sibling"))

    same_stream(build, other, subgraphs=subgraphs, use_async=use_async)


@pytest.mark.parametrize("subgraphs", [False, True])
def test_a_question_of_a_called_graph_is_its_callers(other: Engine, subgraphs: bool) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, asks(e, "called?"))
        return chain(e, lambda state: child.invoke(state), says("z"))

    same_stream(build, other, subgraphs=subgraphs)


def test_a_router_may_ask(other: Engine) -> None:
    """LangGraph then shows, as last `values`, what the interrupted task itself wrote; drumline leaves it out."""

    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log).add_node("a", says("a")).add_node("b", says("b"))
        builder.add_edge(e.START, "a")
        builder.add_conditional_edges("a", lambda _: e.interrupt("where to?"), ["b"])
        return builder.compile()

    reference, ours = record(build(LANGGRAPH), EMPTY), record(build(other), EMPTY)
    if other.root != "langgraph":
        assert reference.items.pop().payload == {"log": ["a"]}
    assert_same(reference, ours, other, exact=True)


@versions
@pytest.mark.parametrize("keys", [None, "log", ["log"]])
def test_invoke_returns_the_questions(other: Engine, version: str, keys: Any) -> None:
    def call(e: Engine) -> Any:
        graph = fan(e, ask=asks(e, "why?"), b=says("b"))
        found = graph.invoke(EMPTY, output_keys=keys, version=version)
        return questions(found)

    same_outcome(call, other)


@versions
def test_shapes(other: Engine, version: str) -> None:
    def call(e: Engine) -> Any:
        graph = chain(e, says("a"), asks(e, "why?"))
        return questions(list(graph.stream(EMPTY, stream_mode=["values", "updates", "tasks"], version=version)))

    same_outcome(call, other)


def test_one_key(other: Engine) -> None:
    def call(e: Engine) -> Any:
        graph = chain(e, says("a"), asks(e, "why?"))
        return questions(list(graph.stream(EMPTY, stream_mode="values", output_keys="log")))

    same_outcome(call, other)


def questions(value: Any) -> Any:
    """With ids of interrupts renamed: they are hashes, 32 hex digits."""
    import dataclasses

    if isinstance(value, dict):
        return {key: "<id>" if _is_interrupt_id(item) else questions(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(questions(item) for item in value)
    if type(value).__name__ == "Interrupt":
        assert _is_interrupt_id(value.id)
        return ("Interrupt", questions(value.value), value.response_schema)
    if type(value).__name__ == "GraphOutput":
        return ("GraphOutput", questions(value.value), questions(value.interrupts))
    assert not dataclasses.is_dataclass(value)
    return value


def _is_interrupt_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 32 and set(value) <= set("0123456789abcdef")


class Answer(BaseModel):
    yes: bool


@pytest.mark.parametrize("form", [Answer, {"type": "boolean"}, None], ids=["class", "schema", "none"])
def test_the_form_of_an_answer(other: Engine, form: Any) -> None:
    """A class is told as its JSON schema."""

    def asked(e: Engine) -> Any:
        graph = chain(e, lambda _: e.interrupt("sure?", response_schema=form))
        return e.runnable(graph).invoke(EMPTY)["__interrupt__"][0].response_schema

    assert same_outcome(asked, other)


def test_the_former_name_of_an_id(other: Engine) -> None:
    for e in (LANGGRAPH, other):
        with pytest.warns(e.module("warnings").LangGraphDeprecatedSinceV10, match="interrupt_id"):
            assert e.Interrupt("why", id="7").interrupt_id == "7"
