"""What a thread streams, run after run, is what LangGraph's does: questions, answers, breakpoints, failures, graphs
within graphs (docs/semantics.md §1.7, §1.11, §5.4, §5.5)."""

import asyncio
import operator
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Annotated, Any, TypedDict

import pytest
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH
from tests.threads.state_graphs import IN, asking, chain_of, kept, write
from tests.threads.traces import atrace, trace

#: builds a graph, and says what its thread is given
Case = Callable[[Any], tuple[Any, list[Any]]]

#: what a test waits for at most
WAIT_S = 30.0


class State(TypedDict):
    log: Annotated[list, operator.add]


def flow(e: Any, **nodes: Any) -> Any:
    """A graph whose nodes follow one another."""
    return chain_of(e, State, **nodes)


def plain_runs(e: Any) -> tuple[Any, list[Any]]:
    return kept(e, flow(e, a=write("a"), b=write("b"))), [IN, IN, None, {"log": []}]


def nothing_to_go_on_from(e: Any) -> tuple[Any, list[Any]]:
    return kept(e, flow(e, a=write("a"))), [None, IN, None]


def two_questions_of_a_node(e: Any) -> tuple[Any, list[Any]]:
    graph = kept(e, flow(e, a=write("a"), ask=asking(e, "q1", "q2"), z=write("z")))
    return graph, [IN, e.Command(resume="A"), e.Command(resume="B"), None]


def a_sibling_keeps_its_result(e: Any) -> tuple[Any, list[Any]]:
    asked = threading.Event()

    def ask(_state: State) -> Any:
        asked.set()
        return {"log": [e.interrupt("q")]}

    def other(_state: State) -> Any:
        assert asked.wait(WAIT_S)  # or who is told first would be a matter of luck
        return {"log": ["other"]}

    graph = e.StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("other", other, defer=False)
    graph.add_node("z", write("z"))
    graph.add_edge(e.START, "ask")
    graph.add_edge(e.START, "other")
    graph.add_edge(["ask", "other"], "z")
    return kept(e, graph), [IN, e.Command(resume="A")]


def a_new_input_drops_the_question(e: Any) -> tuple[Any, list[Any]]:
    graph = kept(e, flow(e, ask=asking(e, "q"), z=write("z")))
    return graph, [IN, {"log": ["again"]}, e.Command(resume="A")]


def asked_again_without_an_answer(e: Any) -> tuple[Any, list[Any]]:
    return kept(e, flow(e, ask=asking(e, "q"))), [IN, None, e.Command(resume="A")]


def an_answer_with_an_update(e: Any) -> tuple[Any, list[Any]]:
    graph = kept(e, flow(e, ask=asking(e, "q"), z=write("z")))
    return graph, [IN, e.Command(resume="A", update={"log": ["U"]})]


def goto_on_a_thread(e: Any) -> tuple[Any, list[Any]]:
    graph = kept(e, flow(e, a=write("a"), b=write("b")))
    return graph, [
        IN,
        e.Command(goto="b", update={"log": ["U"]}),
        e.Command(update={"log": ["V"]}),
        e.Command(goto=e.Send("b", {"log": []})),
    ]


def a_failed_node_runs_again(e: Any) -> tuple[Any, list[Any]]:
    tries = count()

    def flaky(_state: State) -> Any:
        if next(tries) < 2:
            raise ValueError("boom")
        return {"log": ["flaky"]}

    return kept(e, flow(e, a=write("a"), flaky=flaky, z=write("z"))), [IN, None, None]


def a_graph_that_asks(e: Any) -> Any:
    return flow(e, sa=write("sa"), ask=asking(e, "inner"), sz=write("sz"))


def a_question_in_a_subgraph(e: Any) -> tuple[Any, list[Any]]:
    graph = kept(e, flow(e, a=write("a"), child=a_graph_that_asks(e).compile(), z=write("z")))
    return graph, [IN, e.Command(resume="A"), {"log": ["again"]}, None, e.Command(resume="B")]


def a_question_two_graphs_below(e: Any) -> tuple[Any, list[Any]]:
    middle = flow(e, m=write("m"), inner=a_graph_that_asks(e).compile())
    graph = kept(e, flow(e, child=middle.compile(), z=write("z")))
    return graph, [IN, e.Command(resume="A")]


def a_question_in_a_called_graph(e: Any) -> tuple[Any, list[Any]]:
    called = a_graph_that_asks(e).compile()

    def caller(_state: State) -> Any:
        return {"log": called.invoke({"log": ["c"]})["log"][-2:]}

    return kept(e, flow(e, a=write("a"), caller=caller, z=write("z"))), [IN, e.Command(resume="A")]


def questions_of_a_graph_that_is_called_twice(e: Any) -> tuple[Any, list[Any]]:
    called = a_graph_that_asks(e).compile()

    def caller(_state: State) -> Any:
        first, second = called.invoke({"log": ["c"]}), called.invoke({"log": ["d"]})
        return {"log": [first["log"], second["log"]]}

    graph = kept(e, flow(e, caller=caller))
    return graph, [IN, e.Command(resume="A"), e.Command(resume="B")]


def breakpoints(e: Any) -> tuple[Any, list[Any]]:
    graph = flow(e, a=write("a"), b=write("b"), z=write("z"))
    return kept(e, graph, interrupt_before=["b"], interrupt_after=["b"]), [IN, None, None, None]


def breakpoints_everywhere(e: Any) -> tuple[Any, list[Any]]:
    return kept(e, flow(e, a=write("a"), b=write("b")), interrupt_before="*"), [IN, None, None, None]


def breakpoints_behind_everything(e: Any) -> tuple[Any, list[Any]]:
    return kept(e, flow(e, a=write("a"), b=write("b")), interrupt_after="*"), [IN, None, None, None]


def a_breakpoint_in_a_subgraph(e: Any) -> tuple[Any, list[Any]]:
    child = a_graph_that_asks(e).compile(interrupt_before=["sz"])
    return kept(e, flow(e, child=child, z=write("z"))), [IN, e.Command(resume="A"), None]


def routers_on_a_thread(e: Any) -> tuple[Any, list[Any]]:
    graph = flow(e, a=write("a"))
    graph.add_node("left", asking(e, "left?"))
    graph.add_node("right", write("right"))
    graph.add_conditional_edges("a", lambda state: "left" if len(state["log"]) < 4 else "right", ["left", "right"])
    return kept(e, graph), [IN, e.Command(resume="L"), IN]


def start_with_a_router(e: Any) -> tuple[Any, list[Any]]:
    graph = e.StateGraph(State)
    graph.add_node("a", write("a"))
    graph.add_node("b", asking(e, "q"))
    graph.add_conditional_edges(e.START, lambda state: "b" if len(state["log"]) > 1 else "a", ["a", "b"])
    return kept(e, graph), [IN, IN, e.Command(resume="A")]


def the_recursion_limit(e: Any) -> tuple[Any, list[Any]]:
    graph = flow(e, a=write("a"), b=write("b"))
    graph.add_edge("b", "a")
    return kept(e, graph).with_config(recursion_limit=3), [IN, None]


CASES: list[Case] = [
    plain_runs,
    nothing_to_go_on_from,
    two_questions_of_a_node,
    a_sibling_keeps_its_result,
    a_new_input_drops_the_question,
    asked_again_without_an_answer,
    an_answer_with_an_update,
    goto_on_a_thread,
    a_failed_node_runs_again,
    a_question_in_a_subgraph,
    a_question_two_graphs_below,
    a_question_in_a_called_graph,
    questions_of_a_graph_that_is_called_twice,
    breakpoints,
    breakpoints_everywhere,
    breakpoints_behind_everything,
    a_breakpoint_in_a_subgraph,
    routers_on_a_thread,
    start_with_a_router,
    the_recursion_limit,
]


#: nodes that run at once are told of in the order in which they end
RACING = [a_sibling_keeps_its_result]


def settled(case: Case, items: list[str]) -> list[Any]:
    """A trace, so that two of the same case are equal: of nodes that race, each run with its items sorted."""
    if case not in RACING:
        return items
    begins = [index for index, item in enumerate(items) if item == "-- run"]
    return [sorted(items[begin:end]) for begin, end in zip(begins, [*begins[1:], None], strict=True)]


@pytest.mark.parametrize("engine", [DRUMLINE, DRUMLINE_STRICT], ids=["drumline", "strict"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_are_equal(case: Case, engine: Any) -> None:
    theirs = trace(*case(LANGGRAPH), subgraphs=True)
    assert settled(case, trace(*case(engine), subgraphs=True)) == settled(case, theirs)
    assert len(theirs) > 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_async_streams_are_equal(case: Case) -> None:
    ours, theirs = (asyncio.run(atrace(*case(engine), subgraphs=True)) for engine in (DRUMLINE, LANGGRAPH))
    assert settled(case, ours) == settled(case, theirs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams_without_subgraphs_are_equal(case: Case) -> None:
    assert settled(case, trace(*case(DRUMLINE))) == settled(case, trace(*case(LANGGRAPH)))


def fan(e: Any) -> Any:
    graph = e.StateGraph(State)
    graph.add_node("ask", lambda state: {"log": [e.interrupt(state["q"])]})
    graph.add_node("z", write("z"))
    graph.add_conditional_edges(e.START, lambda _state: [e.Send("ask", {"q": f"q{i}"}) for i in range(3)], ["ask"])
    graph.add_edge("ask", "z")
    return kept(e, graph)


def answers_by_id(e: Any) -> Iterator[Any]:
    graph, config = fan(e), {"configurable": {"thread_id": "1"}}
    asked = graph.invoke(IN, config)["__interrupt__"]
    ids = {question.value: question.id for question in asked}
    assert len(set(ids.values())) == 3
    for answer in ("one for all", {ids["q1"]: "B"}, {ids["q0"]: "A", ids["q2"]: "C"}):
        try:
            found = graph.invoke(e.Command(resume=answer), config)
        except RuntimeError:
            yield "RuntimeError"
            continue
        yield found["log"], sorted(each.value for each in found.get("__interrupt__", ()))


def test_several_questions_are_answered_by_their_ids() -> None:
    assert list(answers_by_id(DRUMLINE)) == list(answers_by_id(LANGGRAPH))
