"""Routers, goto, Command.PARENT and the shapes of edges: docs/semantics.md §3.7."""

from typing import Any, Literal

import pytest

from .engines import LANGGRAPH, Engine
from .harness import same, same_outcome
from .states import EMPTY, Log, chain, says

# What a router may return; the second element is the path map.
ROUTES: dict[str, tuple[Any, Any]] = {
    "name": (lambda _: "v", None),
    "END": (lambda e: e.END, None),
    "list": (lambda _: ["v", "w"], None),
    "tuple": (lambda _: ("w", "v"), None),
    "list with END": (lambda e: ["v", e.END], None),
    "empty list": (lambda _: [], None),
    "twice the same": (lambda _: ["v", "v"], None),
    "send": (lambda e: e.Send("w", {"x": 1}), None),
    "sends": (lambda e: [e.Send("w", {"x": i}) for i in range(3)], None),
    "send and name": (lambda e: ["v", e.Send("w", {"x": 1}), "w"], None),
    "map": (lambda _: "there", {"there": "v", "nowhere": "w"}),
    "map to END": (lambda _: True, {True: "__end__", False: "w"}),
    "map of bool": (lambda _: False, {True: "v", False: "w"}),
    "map of number": (lambda _: 3, {3: "v"}),
    "map list": (lambda _: "v", ["v", "w"]),
    "map and list": (lambda _: ["a", "b"], {"a": "v", "b": "w"}),
    "map and send": (lambda e: [e.Send("w", {"x": 1}), "a"], {"a": "v"}),
    "self": (lambda _: "n1", ["n1"]),
    # errors
    "None": (lambda _: None, None),
    "list with None": (lambda _: ["v", None], None),
    "START": (lambda e: e.START, None),
    "missing in map": (lambda _: "zz", {"there": "v"}),
    "missing in list": (lambda _: "zz", ["v"]),
    "send to END": (lambda e: e.Send(e.END, {}), None),
    "raises": (lambda _: {}["gone"], None),  # type: ignore[index]
}


def base(e: Engine) -> Any:
    return (
        e.StateGraph(Log)
        .add_node("n1", lambda s: {"log": ["n1"], "x": len(s["log"])})
        .add_node("v", says("v"))
        .add_node("w", lambda s: {"log": [f"w{s.get('x')}"]})
    )


def once(route: Any) -> Any:
    """A router that routes at its first call, so that loops end."""
    return lambda e: lambda s: route(e) if s["log"].count("n1") < 3 else e.END


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ROUTES)
def test_router(other: Engine, kind: str, use_async: bool) -> None:
    route, path_map = ROUTES[kind]
    failing = kind in ("None", "list with None", "START", "send to END", "raises") or ("missing" in kind)

    def build(e: Engine) -> Any:
        builder = base(e).add_edge(e.START, "n1")
        if isinstance(path_map, dict):
            targets = {key: e.END if to == "__end__" else to for key, to in path_map.items()}
            targets["stop"] = e.END
            router = lambda s: route(e) if s["log"].count("n1") < 3 else "stop"  # noqa: E731
            builder.add_conditional_edges("n1", router, targets)
        else:
            builder.add_conditional_edges("n1", once(route)(e), path_map and [*path_map, e.END])
        return builder.compile()

    # That LangGraph shows the update of a node whose router failed is one of its defects: without.
    modes = ["values", "custom"] if failing else None
    same(build, other, EMPTY, modes, words=False, use_async=use_async, exact=failing)


@pytest.mark.parametrize("kind", [kind for kind in ROUTES if kind not in ("self",)])
def test_start_router(other: Engine, kind: str) -> None:
    route, path_map = ROUTES[kind]

    def build(e: Engine) -> Any:
        builder = base(e)
        builder.add_conditional_edges(e.START, lambda _: route(e), path_map)
        return builder.compile()

    same(build, other, EMPTY, words=False)


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_router_and_edges_and_goto_add_up(other: Engine, use_async: bool) -> None:
    def build(e: Engine) -> Any:
        def n(_: Any) -> Any:
            return e.Command(update={"log": ["n"]}, goto=["a", e.Send("d", {"log": ["x"]})])

        builder = e.StateGraph(Log).add_node("n", n)
        for name in "abcd":
            builder.add_node(name, says(name))
        builder.add_edge(e.START, "n").add_edge("n", "b")
        builder.add_conditional_edges("n", lambda _: ["c", e.Send("d", {"log": ["y"]})])
        return builder.compile()

    stream = same(build, other, EMPTY, use_async=use_async)
    assert stream.payloads("values")[-1]["log"] == ["n", "a", "b", "c", "d", "d"]


def test_literal_return_annotation_is_a_path_map(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def route(_: Any) -> Literal["v", "w"]:
            return "w"

        return base(e).add_edge(e.START, "n1").add_conditional_edges("n1", route).compile()

    assert same(build, other, EMPTY).payloads("values")[-1]["log"] == ["n1", "w0"]


def test_async_router(other: Engine) -> None:
    def build(e: Engine) -> Any:
        async def route(state: Any) -> Any:
            e.get_stream_writer()({"lane": "n1", "saw": state["log"]})
            return ["v", e.Send("w", {"x": 8})]

        builder = base(e).add_edge(e.START, "n1").add_conditional_edges("n1", route)
        return builder.add_conditional_edges(e.START, route).compile()

    same(build, other, {"log": ["i"]}, use_async=True)


def test_router_takes_config_writer_and_runtime(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def route(state: Any, config, writer: e.StreamWriter, runtime: e.Runtime) -> str:
            writer({"lane": "n1", "name": config["configurable"]["who"]})
            runtime.stream_writer({"lane": "n1", "context": runtime.context, "saw": state})
            return "v"

        builder = base(e).add_edge(e.START, "n1").add_conditional_edges("n1", route)
        return builder.compile()

    config = {"configurable": {"who": "me"}}
    same(build, other, EMPTY, config=config, context={"k": 1})


def test_router_object_with_call(other: Engine) -> None:
    class Router:
        def __call__(self, state: Any) -> str:
            return "v" if state["log"] else "w"

    def build(e: Engine) -> Any:
        return base(e).add_edge(e.START, "n1").add_conditional_edges("n1", Router()).compile()

    same(build, other, EMPTY)


def test_unannotated_router_sees_extra_keys_of_the_node(other: Engine) -> None:
    """A quirk that programs rely on: keys that are not of the state reach the node's own router."""

    def build(e: Engine) -> Any:
        def route(state: Any) -> str:
            e.get_stream_writer()({"lane": "n1", "saw": dict(state)})
            return state["where"]

        return (
            e.StateGraph(Log)
            .add_node("n1", lambda _: {"log": ["n1"], "where": "v", "x": 4})
            .add_node("v", says("v"))
            .add_edge(e.START, "n1")
            .add_conditional_edges("n1", route)
            .compile()
        )

    same(build, other, {"log": ["i"]})


def test_annotated_router_reads_its_own_schema(other: Engine) -> None:
    from typing import TypedDict

    class OnlyX(TypedDict):
        x: int

    def build(e: Engine) -> Any:
        def route(state: OnlyX) -> str:
            e.get_stream_writer()({"lane": "n1", "saw": state})
            return "v"

        return base(e).add_edge(e.START, "n1").add_conditional_edges("n1", route).compile()

    same(build, other, EMPTY)


def test_router_of_a_sent_task(other: Engine) -> None:
    """A PUSH task's router reads the state, not the Send's argument."""

    def build(e: Engine) -> Any:
        def route(state: Any) -> str:
            e.get_stream_writer()({"lane": "w", "saw": state})
            return "v"

        return (
            base(e)
            .add_conditional_edges(e.START, lambda _: [e.Send("w", {"x": 1, "zz": 2})])
            .add_conditional_edges("w", route)
            .compile()
        )

    same(build, other, {"log": ["i"], "y": "in state"})


def test_goto_from_a_sent_task(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def w(state: Any) -> Any:
            return e.Command(update={"log": [state["x"]]}, goto="v" if state["x"] % 2 else "u")

        return (
            e.StateGraph(Log)
            .add_node("w", w)
            .add_node("v", says("v"))
            .add_node("u", says("u"))
            .add_conditional_edges(e.START, lambda _: [e.Send("w", {"x": i}) for i in range(4)])
            .compile()
        )

    same(build, other, EMPTY)


# -- Command.PARENT ------------------------------------------------------------------------------

PARENT = {
    "update": lambda _: {"update": {"log": ["from child"], "x": 1}},
    "goto": lambda _: {"goto": "z"},
    "update and goto": lambda e: {"update": {"log": ["c"]}, "goto": ["z", e.Send("z", {"x": 4})]},
    "unknown key": lambda _: {"update": {"zz": 1}, "goto": "z"},
    "goto END": lambda e: {"update": {"log": ["c"]}, "goto": e.END},
}


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("kind", PARENT)
def test_command_to_the_parent(other: Engine, kind: str, use_async: bool) -> None:
    """The child's sibling writes of that step are lost, its router and edges do not fire."""

    def build(e: Engine) -> Any:
        def up(_: Any, writer: e.StreamWriter) -> Any:
            writer({"lane": "up"})
            return e.Command(graph=e.Command.PARENT, **PARENT[kind](e))  # type: ignore[arg-type]

        child = (
            e.StateGraph(Log)
            .add_node("first", says("first"))
            .add_node("up", up)
            .add_node("never", says("never"))
            .add_edge(e.START, "first")
            .add_edge("first", "up")
            .add_edge("up", "never")
            .compile()
        )
        return (
            e.StateGraph(Log)
            .add_node("sub", child)
            .add_node("next", says("next"))
            .add_node("z", lambda s: {"log": [f"z{s.get('x')}"]})
            .add_edge(e.START, "sub")
            .add_edge("sub", "next")
            .compile()
        )

    same(build, other, {"log": ["i"]}, use_async=use_async)


def test_command_to_the_parent_through_a_router(other: Engine) -> None:
    """The parent's router of the subgraph node fires on what the command wrote."""

    def build(e: Engine) -> Any:
        def up(_: Any) -> Any:
            return e.Command(graph=e.Command.PARENT, update={"log": ["up"]})

        def route(state: Any) -> str:
            e.get_stream_writer()({"lane": "sub", "saw": state})
            return "z"

        return (
            e.StateGraph(Log)
            .add_node("sub", chain(e, up))
            .add_node("z", says("z"))
            .add_edge(e.START, "sub")
            .add_conditional_edges("sub", route, ["z"])
            .compile()
        )

    same(build, other, {"log": ["i"]})


def test_command_to_the_parent_of_a_called_graph(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def up(_: Any) -> Any:
            return e.Command(graph=e.Command.PARENT, update={"log": ["up"]}, goto="n2")

        child = chain(e, up)

        def call(state: Any) -> Any:
            child.invoke(state)
            raise AssertionError("not reached")

        return chain(e, call, says("2"))

    same(build, other, {"log": ["i"]})


def test_command_to_the_parent_two_levels_up_is_one_level(other: Engine) -> None:
    def build(e: Engine) -> Any:
        def up(_: Any) -> Any:
            return e.Command(graph=e.Command.PARENT, update={"log": ["up"]}, goto="n2")

        return chain(e, chain(e, chain(e, up), says("inner 2")), says("outer 2"))

    same(build, other, {"log": ["i"]})


def test_command_to_the_parent_at_the_root(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return chain(e, lambda _: e.Command(graph=e.Command.PARENT, update={"log": ["up"]}))

    same(build, other, EMPTY, ["values", "updates"], exact=True, words=False)


# -- builder forms -------------------------------------------------------------------------------


def test_builder_methods(other: Engine) -> None:
    def alpha(_: Any) -> Any:
        return {"log": ["alpha"]}

    def beta(_: Any) -> Any:
        return {"log": ["beta"]}

    class Gamma:
        def __call__(self, _: Any) -> Any:
            return {"log": ["gamma"]}

    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log)
        builder.add_sequence([alpha, ("middle", beta), ("last", Gamma())])
        builder.set_entry_point("alpha").set_finish_point("last")
        return builder.compile(name="built")

    same(build, other, EMPTY, exact=True)
    assert build(other).name == "built"


def test_conditional_entry_point(other: Engine) -> None:
    def build(e: Engine) -> Any:
        builder = base(e)
        builder.set_conditional_entry_point(lambda s: bool(s["log"]), {True: "v", False: "w"})
        return builder.compile()

    same(build, other, EMPTY)
    same(build, other, {"log": [1]})


def test_node_names_from_functions(other: Engine) -> None:
    import functools

    def one(_: Any) -> Any:
        return {"log": ["one"]}

    def named(_: Any, *, add: str) -> Any:
        return {"log": [add]}

    class Thing:
        def method(self, _: Any) -> Any:
            return {"log": ["method"]}

    def build(e: Engine) -> Any:
        builder = e.StateGraph(Log).add_node(one).add_node("p", functools.partial(named, add="p"))
        builder.add_node(Thing().method)
        builder.add_edge(e.START, "one").add_edge("one", "p").add_edge("p", "method")
        return builder.compile()

    same(build, other, EMPTY, exact=True)


def test_node_may_be_called_like_a_state_key(other: Engine) -> None:
    def build(e: Engine) -> Any:
        return e.StateGraph(Log).add_node("x", says("x")).add_edge(e.START, "x").compile()

    same(build, other, EMPTY, exact=True)


def _lambda_node(e: Engine) -> Any:
    return e.StateGraph(Log).add_node(lambda _: None).add_edge(e.START, "<lambda>").compile()


def test_lambda_as_node_has_the_same_fate(other: Engine) -> None:
    same_outcome(lambda e: _lambda_node(e).invoke(EMPTY), other, words=False)


def _two_routers(e: Engine, *names: str) -> Any:
    builder = base(e).add_edge(e.START, "n1")
    for name in names:

        def route(_: Any) -> str:
            return "v"

        route.__name__ = name
        builder.add_conditional_edges("n1", route)
    return builder.compile()


INVALID = {
    "no start edge": lambda e: base(e).compile(),
    "unknown target": lambda e: base(e).add_edge(e.START, "zz").compile(),
    "unknown source": lambda e: base(e).add_edge(e.START, "v").add_edge("zz", "v").compile(),
    "unknown target of a map": lambda e: (
        base(e).add_edge(e.START, "v").add_conditional_edges("v", lambda _: 1, {1: "zz"}).compile()
    ),
    "unknown source of a router": lambda e: (
        base(e).add_edge(e.START, "v").add_conditional_edges("zz", lambda _: "v").compile()
    ),
    "colon": lambda e: base(e).add_node("a:b", says("")),
    "pipe": lambda e: base(e).add_node("a|b", says("")),
    "duplicate": lambda e: base(e).add_node("v", says("")),
    "START as node": lambda e: base(e).add_node(e.START, says("")),
    "END as node": lambda e: base(e).add_node(e.END, says("")),
    "END as source": lambda e: base(e).add_edge(e.END, "v"),
    "START as target": lambda e: base(e).add_edge("v", e.START),
    "list with unknown": lambda e: base(e).add_edge(["v", "zz"], "w"),
    "list to unknown": lambda e: base(e).add_edge(["v", "n1"], "zz"),
    "list with END": lambda e: base(e).add_edge(["v", e.END], "w"),
    "list with START": lambda e: base(e).add_edge(["v", e.START], "w"),
    "two routers of one name": lambda e: _two_routers(e, "route", "route"),
    "two routers of two names": lambda e: _two_routers(e, "route", "other").invoke(EMPTY),
    "no node": lambda e: e.StateGraph(Log).compile(),
    "empty sequence": lambda e: e.StateGraph(Log).add_sequence([]),
    "sequence with duplicate": lambda e: e.StateGraph(Log).add_sequence([("a", says("a")), ("a", says("b"))]),
    "unreachable node": lambda e: base(e).add_edge(e.START, "v").compile().invoke(EMPTY),
    "no schema": lambda e: e.StateGraph(),
}


@pytest.mark.parametrize("node", [("a",), ("a", 3), (3,)], ids=str)
def test_not_a_node(other: Engine, node: Any) -> None:
    """LangGraph raises something else for each; here it is enough that both refuse."""
    for e in (LANGGRAPH, other):
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            e.StateGraph(Log).add_node(*node)


@pytest.mark.parametrize("kind", INVALID)
def test_build_time_validation(other: Engine, kind: str) -> None:
    same_outcome(lambda e: str(type(INVALID[kind](e)).__name__), other, words=False)
