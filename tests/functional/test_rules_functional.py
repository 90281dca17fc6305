"""What an entrypoint and its tasks stream, run after run of a thread, is what LangGraph's do (docs/functional.md)."""

import asyncio
import functools
import operator
from collections.abc import Callable
from itertools import count
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH
from tests.differential.harness import ASYNC_ORACLE
from tests.threads.traces import atrace, plain, trace

#: builds an entrypoint, and says what its thread is given
Case = Callable[[Any], tuple[Any, list[Any]]]


class State(TypedDict):
    log: Annotated[list, operator.add]


def kept(e: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    def make(function: Callable[..., Any]) -> Any:
        graph = e.entrypoint(checkpointer=e.InMemorySaver(), **options)(function)
        if e.strict:
            graph.strict_wire = True
        return graph

    return make


def answers(e: Any, *given: Any) -> list[Any]:
    return [e.Command(resume=each) for each in given]


def asker(e: Any) -> Any:
    @e.task
    def ask(question: str) -> Any:
        return e.interrupt(question)

    return ask


def adder(e: Any) -> Any:
    @e.task
    def add(a: int, b: int = 1) -> int:
        e.get_stream_writer()(("adding", a, b))
        return a + b

    return add


# -- sync ------------------------------------------------------------------------------------------


def one_call_after_the_other(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @kept(e)
    def entry(x: int) -> int:
        return add(add(x).result(), b=10).result()

    return entry, [1, 2]


def nothing_is_called(e: Any) -> tuple[Any, list[Any]]:
    @kept(e)
    def entry(x: Any) -> Any:
        return {"got": x}

    return entry, [{"a": 1}, None, "text"]


def none_is_a_result(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def nothing() -> None: ...

    @kept(e)
    def entry(_x: int, *, previous: Any = "unset") -> None:
        assert nothing().result() is None
        assert previous in (None, "unset")

    return entry, [1, 1]


def previous_is_what_was_returned(e: Any) -> tuple[Any, list[Any]]:
    @kept(e)
    def entry(x: int, previous: Any = None) -> Any:
        return [x, previous]

    return entry, [1, 2, 3]


def final_saves_something_else(e: Any) -> tuple[Any, list[Any]]:
    @kept(e)
    def entry(x: int, *, previous: Any = None) -> Any:
        return e.entrypoint.final(value=previous, save=x * 2)

    return entry, [1, 2, 3]


def tasks_see_previous_too(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def look(x: int, previous: Any = None) -> Any:
        return [x, previous]

    @kept(e)
    def entry(x: int) -> Any:
        return e.entrypoint.final(value=look(x).result(), save=x)

    return entry, [1, 2]


def a_question_of_the_entrypoint(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @kept(e)
    def entry(x: int) -> Any:
        before = add(x).result()
        return [before, e.interrupt("one"), add(before).result(), e.interrupt("two")]

    return entry, [1, *answers(e, "A", "B"), 2]


def a_question_of_a_task(e: Any) -> tuple[Any, list[Any]]:
    add, ask = adder(e), asker(e)

    @kept(e)
    def entry(x: int) -> Any:
        return [add(x).result(), ask("one").result(), ask("two").result(), e.interrupt("three")]

    return entry, [1, *answers(e, "A", "B", "C"), 2, 3]


def two_questions_of_a_task(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def ask() -> Any:
        return [e.interrupt("one"), e.interrupt("two")]

    @kept(e)
    def entry(_x: int) -> Any:
        return ask().result()

    return entry, [1, *answers(e, "A", "B")]


def a_question_that_nobody_answers(e: Any) -> tuple[Any, list[Any]]:
    ask = asker(e)

    @kept(e)
    def entry(x: int) -> Any:
        return [x, ask("q").result()]

    return entry, [1, None, 2, *answers(e, "A")]


def nested_tasks(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @e.task
    def twice(x: int) -> int:
        e.get_stream_writer()("twice")
        return add(add(x).result()).result()

    @kept(e)
    def entry(x: int) -> int:
        return add(twice(x).result()).result()

    return entry, [1]


def a_question_of_a_nested_task(e: Any) -> tuple[Any, list[Any]]:
    add, ask = adder(e), asker(e)

    @e.task
    def around(x: int) -> Any:
        return [add(x).result(), ask("inner").result()]

    @kept(e)
    def entry(x: int) -> Any:
        return [around(x).result(), e.interrupt("outer")]

    return entry, [1, *answers(e, "A", "B")]


def an_error_that_is_caught(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def bad(x: int) -> None:
        raise ValueError(f"bad {x}")

    @kept(e)
    def entry(x: int) -> Any:
        try:
            bad(x).result()
        except ValueError as error:
            return [str(error), e.interrupt("go on?")]

    return entry, [1, *answers(e, "A")]


def an_error_that_ends_the_run(e: Any) -> tuple[Any, list[Any]]:
    add, tries = adder(e), count()

    @e.task
    def flaky() -> str:
        if next(tries) < 2:
            raise ValueError("boom")
        return "flaky"

    @kept(e)
    def entry(x: int) -> Any:
        return [add(x).result(), flaky().result()]

    return entry, [1, None, None]


def an_error_of_the_entrypoint(e: Any) -> tuple[Any, list[Any]]:
    add, tries = adder(e), count()

    @kept(e)
    def entry(x: int) -> Any:
        first = add(x).result()
        if not next(tries):
            raise KeyError("entry")
        return first

    return entry, [1, None]


def names_and_arguments(e: Any) -> tuple[Any, list[Any]]:
    @e.task(name="other")
    def named(*args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    def function(*args: Any) -> Any:
        return list(args)

    bound = e.task(functools.partial(function, 0))

    @kept(e)
    def entry(x: int) -> Any:
        return [named(x, key="k").result(), bound(x).result()]

    return entry, [1]


def what_is_injected(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    def look(writer: Any, config: RunnableConfig, runtime: Any, store: Any) -> Any:
        writer("from the task")
        metadata = {key: value for key, value in config["metadata"].items() if key != "langgraph_checkpoint_ns"}
        return [metadata, config["configurable"]["thread_id"], store is None, runtime.store is None]

    @kept(e)
    def entry(_x: int, config: RunnableConfig, writer: Any, runtime: Any) -> Any:
        writer("from the entrypoint")
        return [look().result(), config["metadata"]["langgraph_node"], runtime.previous]

    return entry, [1, 2]


def a_graph_in_a_task(e: Any) -> tuple[Any, list[Any]]:
    graph = e.StateGraph(State)
    graph.add_node("n", lambda _state: {"log": ["n"]})
    graph.add_edge(e.START, "n")
    called = graph.compile()

    @e.task
    def run(x: int) -> Any:
        return called.invoke({"log": [x]})["log"]

    @kept(e)
    def entry(x: int) -> Any:
        return run(x).result()

    return entry, [1]


def a_question_of_a_graph_in_a_task(e: Any) -> tuple[Any, list[Any]]:
    graph = e.StateGraph(State)
    graph.add_node("n", lambda _state: {"log": [e.interrupt("inner")]})
    graph.add_edge(e.START, "n")
    called = graph.compile()

    @e.task
    def run(x: int) -> Any:
        return called.invoke({"log": [x]})["log"]

    @kept(e)
    def entry(x: int) -> Any:
        return run(x).result()

    return entry, [1, *answers(e, "A")]


def an_entrypoint_in_an_entrypoint(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @e.entrypoint()
    def inner(x: int) -> int:
        return add(x).result()

    @kept(e)
    def entry(x: int) -> Any:
        return [inner.invoke(x), e.interrupt("q")]

    return entry, [1, *answers(e, "A")]


def a_graph_whose_node_calls_tasks(e: Any) -> tuple[Any, list[Any]]:
    add, ask = adder(e), asker(e)

    def node(_state: State) -> Any:
        return {"log": [add(1).result(), ask("q").result()]}

    graph = e.StateGraph(State)
    graph.add_node("n", node)
    graph.add_edge(e.START, "n")
    compiled = graph.compile(checkpointer=e.InMemorySaver())
    return compiled, [{"log": ["in"]}, *answers(e, "A")]


def an_entrypoint_as_a_node(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @e.entrypoint()
    def inner(state: Any) -> Any:
        return {"log": [add(len(state["log"])).result(), e.interrupt("q")]}

    graph = e.StateGraph(State)
    graph.add_node("n", inner)
    graph.add_edge(e.START, "n")
    compiled = graph.compile(checkpointer=e.InMemorySaver())
    return compiled, [{"log": ["in"]}, *answers(e, "A")]


def a_new_input_drops_the_question(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @kept(e)
    def entry(x: int) -> Any:
        return [add(x).result(), e.interrupt(f"q{x}")]

    return entry, [1, 2, *answers(e, "A")]


def a_task_that_nobody_waits_for(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @kept(e)
    def entry(x: int) -> Any:
        last = add(x)
        add(last.result(), b=5)
        return "done"

    return entry, [1]


CASES: list[Case] = [
    one_call_after_the_other,
    nothing_is_called,
    none_is_a_result,
    previous_is_what_was_returned,
    final_saves_something_else,
    tasks_see_previous_too,
    a_question_of_the_entrypoint,
    a_question_of_a_task,
    two_questions_of_a_task,
    a_question_that_nobody_answers,
    nested_tasks,
    a_question_of_a_nested_task,
    an_error_that_is_caught,
    an_error_that_ends_the_run,
    an_error_of_the_entrypoint,
    names_and_arguments,
    what_is_injected,
    a_graph_in_a_task,
    a_question_of_a_graph_in_a_task,
    an_entrypoint_in_an_entrypoint,
    a_graph_whose_node_calls_tasks,
    an_entrypoint_as_a_node,
    a_new_input_drops_the_question,
]
RACING: list[Case] = [a_task_that_nobody_waits_for]


@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT], ids=["drumline", "strict"])
@pytest.mark.parametrize("subgraphs", [False, True], ids=["flat", "subgraphs"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_are_equal(case: Case, subgraphs: bool, engine: Any) -> None:
    theirs = trace(*case(LANGGRAPH), subgraphs=subgraphs)
    assert trace(*case(engine), subgraphs=subgraphs) == theirs
    assert len(theirs) > 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_of_sync_code_for_an_async_caller(case: Case) -> None:
    theirs = asyncio.run(atrace(*case(LANGGRAPH)))
    assert asyncio.run(atrace(*case(DRUMLINE))) == theirs


@pytest.mark.parametrize("case", RACING, ids=lambda case: case.__name__)
def test_streams_are_equal_but_for_their_order(case: Case) -> None:
    assert sorted(trace(*case(DRUMLINE))) == sorted(trace(*case(LANGGRAPH)))


@pytest.mark.parametrize("where", ["interrupt_before", "interrupt_after"])
def test_breakpoints(where: str) -> None:
    def found(e: Any) -> list[str]:
        graph, inputs = one_call_after_the_other(e)
        stops: Any = {where: ["entry"]}
        return trace(graph, [inputs[0], None], **stops)

    assert found(DRUMLINE) == found(LANGGRAPH)


# -- async -----------------------------------------------------------------------------------------


def async_calls(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    async def add(a: int, b: int = 1) -> int:
        return a + b

    @kept(e)
    async def entry(x: int) -> Any:
        return [await add(x), await add(await add(x), b=5)]

    return entry, [1]


def gathered(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    async def add(a: int) -> int:
        return a + 1

    @kept(e)
    async def entry(x: int) -> Any:
        return await asyncio.gather(*[add(i) for i in range(x)])

    return entry, [4]


def sync_and_async_tasks(e: Any) -> tuple[Any, list[Any]]:
    add = adder(e)

    @e.task
    async def around(x: int) -> Any:
        return await add(x)

    @kept(e)
    async def entry(x: int) -> Any:
        return [await around(x), await add(x)]

    return entry, [1]


def async_questions(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    async def ask(question: str) -> Any:
        return e.interrupt(question)

    @kept(e)
    async def entry(x: int, *, previous: Any = None) -> Any:
        return [x, await ask("one"), e.interrupt("two"), previous]

    return entry, [1, *answers(e, "A", "B"), 2]


def async_errors(e: Any) -> tuple[Any, list[Any]]:
    @e.task
    async def bad() -> None:
        raise ValueError("bad")

    @kept(e)
    async def entry(x: int) -> Any:
        try:
            await bad()
        except ValueError:
            if x > 1:
                raise
        return "caught"

    return entry, [1, 2]


ASYNC_CASES: list[Case] = [async_calls, sync_and_async_tasks, async_questions, async_errors]


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT], ids=["drumline", "strict"])
@pytest.mark.parametrize("case", ASYNC_CASES, ids=lambda case: case.__name__)
def test_async_streams_are_equal(case: Case, engine: Any) -> None:
    theirs = asyncio.run(atrace(*case(LANGGRAPH), subgraphs=True))
    assert asyncio.run(atrace(*case(engine), subgraphs=True)) == theirs


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
def test_gathered_tasks_are_equal_but_for_their_order() -> None:
    theirs = sorted(asyncio.run(atrace(*gathered(LANGGRAPH))))
    assert sorted(asyncio.run(atrace(*gathered(DRUMLINE)))) == theirs


def test_async_code_for_a_sync_caller() -> None:
    """LangGraph refuses that."""
    graph, inputs = async_questions(DRUMLINE)
    assert trace(graph, inputs) == asyncio.run(atrace(*async_questions(DRUMLINE)))


# -- several at once, results ----------------------------------------------------------------------


def parallel(e: Any) -> Any:
    ask, add = asker(e), adder(e)

    @kept(e)
    def entry(x: int) -> Any:
        futures = [add(x), ask("one"), ask("two"), add(x, 5)]
        return [future.result() for future in futures]

    return entry


def answered(e: Any, graph: Any, given: list[Any]) -> list[str]:
    config = {"configurable": {"thread_id": "1"}}
    found = []
    for each in given:
        result = graph.invoke(each, config)
        found.append(plain(result))
        if "__interrupt__" in result:
            asked = {item.value: item.id for item in result["__interrupt__"]}
            given.append(e.Command(resume={id_: f"answer to {value}" for value, id_ in asked.items()}))
    return found


def test_tasks_that_ask_at_once() -> None:
    ours = answered(DRUMLINE, parallel(DRUMLINE), [1])
    assert ours[-1] == answered(LANGGRAPH, parallel(LANGGRAPH), [1])[-1]
    assert ours[-1] == plain([2, "answer to one", "answer to two", 6])


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("case", [one_call_after_the_other, a_question_of_a_task, final_saves_something_else])
def test_invoke_is_equal(case: Case, version: str) -> None:
    def results(e: Any) -> list[str]:
        graph, inputs = case(e)
        config = {"configurable": {"thread_id": "1"}}
        return [plain(graph.invoke(each, config, version=version)) for each in inputs]

    assert results(DRUMLINE) == results(LANGGRAPH)
