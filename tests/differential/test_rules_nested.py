"""Graphs inside graphs: as nodes, and called by nodes. docs/semantics.md §1.2-1.4, §1.11, §2 O8, §5.7."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest

from .engines import Engine
from .harness import ALL_MODES, raw, same, same_outcome
from .normal import UUID
from .states import EMPTY, Log, chain, fan, says

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
with_or_without = pytest.mark.parametrize("subgraphs", [False, True], ids=["root", "subgraphs"])


def talks(e: Engine, name: str) -> Any:
    def run(state: Any, writer: e.StreamWriter) -> Any:
        writer({"lane": name, "at": "start"})
        e.get_stream_writer()({"lane": name, "saw": len(state.get("log", []))})
        return {"log": [name]}

    return run


@both_ways
@with_or_without
def test_subgraph_as_node(other: Engine, subgraphs: bool, use_async: bool) -> None:
    """Custom events of a child are dropped unless subgraphs are asked for."""

    def build(e: Engine) -> Any:
        child = chain(e, talks(e, "c1"), talks(e, "c2"))
        return chain(e, talks(e, "a"), child, talks(e, "z"))

    stream = same(build, other, EMPTY, exact=True, subgraphs=subgraphs, use_async=use_async)
    lanes = [p["lane"] for item in stream.items if item.mode == "custom" for p in [item.payload]]
    assert ("c1" in lanes) == subgraphs


@both_ways
def test_three_levels(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        grandchild = chain(e, talks(e, "g1"), talks(e, "g2"))
        return chain(e, chain(e, talks(e, "c"), grandchild), talks(e, "z"))

    stream = same(build, other, EMPTY, exact=True, use_async=use_async)
    assert {len(item.ns) for item in stream.items} == {0, 1, 2}
    for modes in (["values"], ["custom"], ["updates"], ["tasks"], ["debug", "custom"]):
        same(build, other, EMPTY, modes, exact=True, use_async=use_async)


@both_ways
@with_or_without
def test_parallel_subgraphs(other: Engine, subgraphs: bool, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        one = fan(e, c1=talks(e, "c1"), c2=talks(e, "c2"))
        two = chain(e, talks(e, "d1"), talks(e, "d2"))
        return fan(e, a=talks(e, "a"), one=one, two=two)

    same(build, other, {"log": ["i"]}, subgraphs=subgraphs, use_async=use_async)


@both_ways
def test_sends_to_a_subgraph(other: Engine, use_async: bool) -> None:
    """Every Send runs the child under its own namespace."""

    def build(e: Engine) -> Any:
        child = fan(e, c1=talks(e, "c1"), c2=talks(e, "c2"))
        return (
            e.StateGraph(Log)
            .add_node("sub", child)
            .add_conditional_edges(e.START, lambda _: [e.Send("sub", {"log": [i], "zz": 1}) for i in range(3)])
            .compile()
        )

    stream = same(build, other, EMPTY, use_async=use_async)
    assert len({item.ns for item in stream.items}) == 4


class ChildState(TypedDict):
    log: Annotated[list, operator.add]
    private: str
    total: int


class ChildOutput(TypedDict):
    total: int


@with_or_without
@pytest.mark.parametrize("output", [None, ChildOutput])
def test_child_with_its_own_schema(other: Engine, output: Any, subgraphs: bool) -> None:
    """A child's full output, restricted to the parent's keys, is the node's update."""

    class Parent(TypedDict):
        log: Annotated[list, operator.add]
        total: int
        y: str

    def build(e: Engine) -> Any:
        child = (
            e.StateGraph(ChildState, output_schema=output)
            .add_node("c", lambda s: {"private": "p", "total": len(s["log"])})
            .add_node("d", lambda s: {"log": [s["private"]]})
            .add_edge(e.START, "c")
            .add_edge("c", "d")
            .compile()
        )
        return chain(e, says("1"), child, lambda s: {"y": str(s)}, state=Parent)

    same(build, other, {"log": ["i"], "y": "y"}, exact=True, subgraphs=subgraphs)


def test_child_that_shares_no_key(other: Engine) -> None:
    class Foreign(TypedDict):
        foreign: int

    def build(e: Engine) -> Any:
        return chain(e, says("1"), chain(e, lambda _: {"foreign": 1}, state=Foreign), says("3"))

    same(build, other, EMPTY, words=False, exact=True)


def test_subgraph_in_a_loop_with_routers(other: Engine) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, lambda s: {"log": e.Overwrite([*s["log"], len(s["log"])])})

        def route(state: Any) -> str:
            e.get_stream_writer()({"lane": "sub", "saw": len(state["log"])})
            return "sub" if len(state["log"]) < 20 else e.END

        return (
            e.StateGraph(Log)
            .add_node("sub", child)
            .add_edge(e.START, "sub")
            .add_conditional_edges("sub", route, ["sub", e.END])
            .compile()
        )

    same(build, other, {"log": ["i"]}, exact=True)


def test_deferred_subgraph_beside_a_long_path(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.add_node("sub", chain(e, says("c")), defer=True)
        for name in ("a", "b", "c"):
            builder.add_node(name, says(name))
        builder.add_edge(e.START, "a").add_edge("a", "b").add_edge("b", "c")
        return builder.add_edge("a", "sub").compile()

    same(build, other, EMPTY, exact=True)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_error_inside_a_child(other: Engine, version: str) -> None:
    """Both levels show a failed result, the exception is the node's own."""

    def build(e: Engine) -> Any:
        def boom(_: Any) -> Any:
            raise LookupError("inside")

        return chain(e, says("1"), chain(e, says("c1"), boom), says("3"))

    if version == "v1":
        stream = same(build, other, EMPTY, exact=True)
        failed = [p for p in stream.of_mode("tasks").items if p.payload.get("error")]
        assert [len(item.ns) for item in failed] == [1, 0]
    for subgraphs in (False, True):
        same(build, other, EMPTY, exact=True, subgraphs=subgraphs)


# -- graphs that a node calls --------------------------------------------------------------------


@with_or_without
def test_called_graphs(other: Engine, subgraphs: bool) -> None:
    """The second call in one task has "1" behind its namespace, the third "2"."""

    def build(e: Engine) -> Any:
        child = chain(e, talks(e, "c1"), talks(e, "c2"))

        def call(_: Any, writer: e.StreamWriter) -> Any:
            writer({"at": "before"})
            first = child.invoke({"log": ["x"]})
            writer({"at": "between"})
            second = child.invoke({"log": ["y"]})
            return {"log": [first["log"], second["log"], child.invoke({"log": []})["log"]]}

        return chain(e, call, call)

    stream = same(build, other, EMPTY, exact=True, subgraphs=subgraphs)
    suffixes = {item.ns[1:] for item in stream.items if item.ns}
    assert suffixes == ({(), ("1",), ("2",)} if subgraphs else set())


@with_or_without
def test_awaited_graphs(other: Engine, subgraphs: bool) -> None:
    def build(e: Engine) -> Any:
        async def inside(_: Any, writer: e.StreamWriter) -> Any:
            writer({"lane": "n1"})
            await asyncio.sleep(0)
            e.get_stream_writer()({"lane": "n1", "again": True})
            return {"log": ["c"]}

        child = chain(e, inside, talks(e, "sync"))

        async def call(state: Any) -> Any:
            first = await child.ainvoke(state)
            second = [chunk async for chunk in child.astream({"log": []}, stream_mode="updates")]
            return {"log": [first["log"], second]}

        return chain(e, call)

    same(build, other, {"log": ["i"]}, exact=True, subgraphs=subgraphs, use_async=True)


STREAMS: list[dict[str, Any]] = [
    {},
    {"stream_mode": "values"},
    {"stream_mode": "updates"},
    {"stream_mode": "custom"},
    {"stream_mode": ["custom", "values"]},
    {"stream_mode": ["custom", "values"], "version": "v2"},
    {"stream_mode": "tasks", "subgraphs": True},
    {"stream_mode": "updates", "subgraphs": True},
]


@pytest.mark.parametrize("options", STREAMS, ids=str)
@with_or_without
def test_node_that_streams_a_graph(other: Engine, options: dict[str, Any], subgraphs: bool) -> None:
    """What the inner iterator yields, and what the outer stream sees of it."""

    def build(e: Engine) -> Any:
        child = chain(e, talks(e, "c1"), chain(e, talks(e, "g1")))

        def call(state: Any) -> Any:
            return {"log": [_without_noise(list(child.stream(state, **options)))]}

        return chain(e, call)

    same(build, other, {"log": ["i"]}, exact=True, subgraphs=subgraphs)
    same(build, other, {"log": ["i"]}, ["values"], exact=True, subgraphs=subgraphs)


def _without_noise(items: list[Any]) -> list[str]:
    from .normal import show

    return [UUID.sub("<id>", show(item)) for item in items]


def test_called_graph_is_caught(other: Engine) -> None:
    """A node may catch what its child raised; the run goes on."""

    def build(e: Engine) -> Any:
        def boom(_: Any) -> Any:
            raise ZeroDivisionError("in child")

        child = chain(e, boom)

        def call(state: Any) -> Any:
            try:
                child.invoke(state)
            except ZeroDivisionError as error:
                return {"log": [str(error)]}
            return {"log": ["not raised"]}

        return chain(e, call, says("2"))

    same(build, other, EMPTY)


def test_router_that_calls_a_graph(other: Engine) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, talks(e, "c"))

        def route(state: Any) -> str:
            return "n2" if "c" in child.invoke({"log": state["log"]})["log"] else e.END

        return (
            e.StateGraph(Log)
            .add_node("n1", talks(e, "n1"))
            .add_node("n2", talks(e, "n2"))
            .add_edge(e.START, "n1")
            .add_conditional_edges("n1", route, ["n2", e.END])
            .compile()
        )

    same(build, other, EMPTY, exact=True)


def test_called_graph_with_its_own_config(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def inner(_: Any, config) -> Any:  # type: ignore[no-untyped-def]
            own = {k: config["configurable"].get(k) for k in ("who", "given")}
            return {"log": [own, sorted(config["tags"]), config["metadata"].get("m")]}

        child = chain(e, inner)

        def call(_: Any, config) -> Any:  # type: ignore[no-untyped-def]
            results = [
                child.invoke({"log": []}),
                child.invoke({"log": []}, config),
                child.invoke({"log": []}, {"configurable": {"given": 1}, "tags": ["inner"]}),
                child.invoke({"log": []}, {"recursion_limit": 5}),
            ]
            return {"log": [result["log"] for result in results]}

        return chain(e, call)

    config = {"configurable": {"who": "me"}, "tags": ["outer"], "metadata": {"m": 1}}
    same(build, other, EMPTY, exact=True, config=config)


def test_called_graph_and_recursion_limit(other: Engine) -> None:
    def build(e: Engine) -> Any:
        child = chain(e, says("c1"), says("c2"), says("c3"))

        def call(_: Any) -> Any:
            try:
                return {"log": child.invoke({"log": []}, {"recursion_limit": 3})["log"]}
            except e.GraphRecursionError:
                return {"log": ["too many"]}

        return chain(e, call)

    same(build, other, EMPTY, subgraphs=False, exact=True)
    same(build, other, EMPTY, subgraphs=False, exact=True, config={"recursion_limit": 50})


def test_graph_as_a_runnable_step(other: Engine) -> None:
    """Invoking a child with another input and mapping its output: the adapter node of the docs."""

    class Other(TypedDict):
        text: str

    def build(e: Engine) -> Any:
        child = chain(e, lambda s: {"text": s["text"] + "!"}, state=Other)

        def node(state: Any) -> Any:
            return {"y": child.invoke({"text": state["y"]})["text"]}

        return chain(e, node, node)

    same(build, other, {"y": "a"}, exact=True)
    same_outcome(lambda e: build(e).invoke({"y": "a"}), other)


@both_ways
def test_shapes_with_subgraphs(other: Engine, use_async: bool) -> None:
    """A single mode yields (ns, payload), a list (ns, mode, payload)."""

    def build(e: Engine) -> Any:
        return chain(e, chain(e, talks(e, "c")))

    for mode, length in (("updates", 2), (["updates"], 3), (ALL_MODES, 3)):
        items, error = raw(build(other), EMPTY, stream_mode=mode, subgraphs=True, use_async=use_async)
        assert error is None
        assert all(len(item) == length and isinstance(item[0], tuple) for item in items)
        assert all(len(ns) == 1 and ns[0].startswith("n1:") for ns, *_ in items if ns)
