"""How another process finds a `@task`: by the code of the graph, and at the top of loaded modules."""

from __future__ import annotations

from typing import Any, TypedDict

from drumline.func import entrypoint, task
from drumline.graph import START, StateGraph
from drumline_graph.called_tasks import calls_tasks, code_of, find_task, pools_of


class State(TypedDict):
    x: int


@task
def top(x: int) -> int:
    return x


@task
def within(x: int) -> int:
    return top(x).result()


def made(name: str | None = None) -> Any:
    @task(name=name)
    def inner(x: int) -> int:
        return x

    return inner


def graph_of(node: Any) -> Any:
    return StateGraph(State).add_node("n", node, metadata={"pool": "gpu"}).add_edge(START, "n").compile().program


def test_each_code_finds_its_task() -> None:
    first, second, named = made(), made(), made("other")

    class Holder:
        held = made()

    def node(_: State) -> Any:
        later = [within(x) for x in (first(1), second(2))]
        return {"x": len([later, named(1), Holder.held(2)])}

    program = graph_of(node)
    tasks = [top, within, first, second, named, Holder.held]
    codes = [code_of(program, each.node) for each in tasks]
    assert len(set(codes)) == len(tasks) and None not in codes
    assert [find_task(program, str(code)) for code in codes] == [each.node for each in tasks]
    assert codes[:2] == [f"{__name__}:top:top", f"{__name__}:within:within"]
    assert find_task(program, "no such") is None


def test_a_task_that_the_code_does_not_show_is_not_found() -> None:
    hidden = [made()]

    def node(_: State) -> Any:
        return {"x": hidden[0](1)}

    program = graph_of(node)
    assert code_of(program, hidden[0].node) is None
    assert code_of(program, top.node) == f"{__name__}:top:top", "it stands at the top of a module"


def test_pools_of_calls_are_those_of_graphs_that_call_tasks() -> None:
    calling, plain = graph_of(lambda _: {"x": top(1).result()}), graph_of(lambda state: state)
    assert calls_tasks(calling) and not calls_tasks(plain)
    assert (pools_of(calling), pools_of(plain)) == ({"gpu", "gpu@calls"}, {"gpu"})
    around = StateGraph(State).add_node("n", entry).add_edge(START, "n").compile().program
    assert pools_of(around) == {"default", "default@calls"}


@entrypoint()
def entry(_: Any) -> Any:
    return {"x": [top(x) for x in range(2)]}
