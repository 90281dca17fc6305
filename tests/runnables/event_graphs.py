"""Graphs whose `astream_events` are compared: each is built for either engine, and names what it is given."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableGenerator, RunnableLambda
from tests.differential import tools_mode_graphs as tools
from tests.differential.engines import Engine
from tests.prebuilt.models import Scripted
from tests.tracing import graphs
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    xs: Annotated[list[Any], operator.add]


class Case(NamedTuple):
    """A graph and the inputs of its runs, one after another; `on_thread`: they are on one thread."""

    build: Callable[[Engine], Any]
    inputs: tuple[Any, ...] = ({"xs": [0]},)
    on_thread: bool = False
    options: dict[str, Any] = {}  # noqa: RUF012  nobody changes it


def chain_of(e: Engine, *nodes: tuple[str, Any], compiled: dict[str, Any] | None = None, **given: Any) -> Any:
    builder, before = e.StateGraph(State), e.START
    for name, action in nodes:
        builder.add_node(name, action, **given)
        builder.add_edge(before, name)
        before = name
    return builder.compile(**(compiled or {}))


def saved(e: Engine, **more: Any) -> dict[str, Any]:
    return {"checkpointer": e.InMemorySaver(), **more}


def chat(e: Engine, **compiled: Any) -> Any:
    """Models in a sync and an async node, and a writer."""

    def said(_: Any) -> Any:
        return {"xs": [Scripted(turns=["hello there"]).invoke("q").content]}

    async def asaid(_: Any) -> Any:
        return {"xs": [(await Scripted(turns=["hello there"]).ainvoke("q")).content]}

    def writes(_: Any) -> Any:
        e.get_stream_writer()({"p": 1})
        return {"xs": ["w"]}

    return chain_of(e, ("said", said), ("asaid", asaid), ("writes", writes), compiled=compiled)


def asks(e: Engine, **compiled: Any) -> Any:
    return chain_of(
        e, ("a", lambda _: {"xs": [e.interrupt("well?")]}), ("z", lambda _: {"xs": ["z"]}), compiled=compiled
    )


def calls_one_that_asks(e: Engine) -> Any:
    inner = asks(e)

    async def calls(_: Any) -> Any:
        return {"xs": (await inner.ainvoke({"xs": []}))["xs"]}

    return chain_of(e, ("calls", calls), compiled=saved(e))


def routed(e: Engine) -> Any:
    """Routers that are named and nameless, sync and async, and a Send."""

    def to_b(_: Any) -> str:
        return "b"

    async def to_c(_: Any) -> list[str]:
        return ["c"]

    builder = e.StateGraph(State)
    builder.add_node("a", lambda _: {"xs": ["a"]}).add_node("b", lambda _: {"xs": ["b"]})
    builder.add_node("c", lambda _: e.Command(update={"xs": ["c"]}, goto=e.Send("d", {"n": 1})))
    builder.add_node("d", lambda _: {"xs": ["d"]})
    builder.add_conditional_edges(e.START, lambda _: "a", ["a"])
    builder.add_conditional_edges("a", to_b, ["b"])
    builder.add_conditional_edges("b", to_c, ["c"])
    return builder.compile()


def boom(_: Any) -> Any:
    raise ValueError("no")


def retries(e: Engine) -> Any:
    tries = itertools.count()

    def fails_twice(_: Any) -> Any:
        if next(tries) < 2:
            raise ConnectionError("no")
        return {"xs": [1]}

    return chain_of(e, ("bad", fails_twice), retry_policy=e.RetryPolicy(initial_interval=0.001, jitter=False))


def chains(e: Engine) -> Any:
    """Nodes that are chains of LangChain's, and a function that returns one."""
    chain = (
        RunnableLambda(lambda state: {"q": str(state["xs"])}, name="into")
        | ChatPromptTemplate.from_template("{q}")
        | Scripted(turns=["hello there"])
        | StrOutputParser()
        | RunnableLambda(lambda text: {"xs": [str(text)]}, name="out")
    )

    async def generate(given: Any) -> Any:
        async for _ in given:
            pass
        yield {"xs": ["g"]}

    def gives(_: Any) -> Any:
        return RunnableLambda(lambda _: "x") | RunnableLambda(lambda x: {"xs": [x]}, name="last")

    builder = e.StateGraph(State)
    builder.add_node("chain", chain).add_node("one", RunnableLambda(lambda _: {"xs": ["l"]}))
    builder.add_node("generates", RunnableGenerator(generate)).add_node("gives", gives)
    builder.add_edge(e.START, "chain").add_edge("one", "generates").add_edge("generates", "gives")
    builder.add_conditional_edges("chain", lambda _: "one", ["one"])
    return builder.compile()


def functional(e: Engine, *, asking: bool = False) -> Any:
    @e.task
    async def adds(n: int) -> int:
        return n + 1

    @e.entrypoint(checkpointer=e.InMemorySaver() if asking else None)
    async def flow(n: int) -> Any:
        found = await adds(n)
        return [found, e.interrupt("q")] if asking else found

    return flow


def agent(e: Engine) -> Any:
    model = Scripted(turns=[[("add", {"a": 1, "b": 2})], "done"])
    return e.create_react_agent(model, [tools.tools_of(e)["add"]], prompt="Add.")


def answer(value: Any) -> Callable[[Engine], Any]:
    return lambda e: e.Command(resume=value)


GIVEN = {"xs": [0]}
CASES: dict[str, Case] = {
    "chat": Case(chat),
    "chat, named": Case(chat, options={"config": {"tags": ["t"], "metadata": {"k": 1}, "run_name": "named"}}),
    "chat, twice on a thread": Case(lambda e: chat(e, **saved(e)), (GIVEN, GIVEN), True),
    "chat, some types": Case(chat, options={"include_types": ["chat_model"]}),
    "chat, a breakpoint": Case(lambda e: chat(e, **saved(e, interrupt_before=["writes"])), (GIVEN, None), True),
    "values": Case(chat, options={"stream_mode": "values"}),
    "several modes": Case(chat, options={"stream_mode": ["values", "custom"]}),
    "messages": Case(chat, options={"stream_mode": "messages"}),
    "subgraph": Case(lambda e: chain_of(e, ("sub", chat(e)))),
    "subgraph, shown": Case(lambda e: chain_of(e, ("sub", chat(e))), options={"subgraphs": True}),
    "subgraph on a thread": Case(lambda e: chain_of(e, ("sub", chat(e)), compiled=saved(e)), (GIVEN,), True),
    "left": Case(graphs.leaves),
    "called": Case(graphs.calls),
    "routed": Case(routed),
    "chains": Case(chains),
    "fails": Case(lambda e: chain_of(e, ("a", lambda _: {"xs": ["a"]}), ("bad", boom))),
    "fails on a thread": Case(lambda e: chain_of(e, ("bad", boom), compiled=saved(e)), (GIVEN, None), True),
    "fails below": Case(graphs.fails),
    "retries": Case(retries),
    "cached": Case(
        lambda e: chain_of(
            e, ("a", lambda _: {"xs": [1]}), compiled={"cache": e.InMemoryCache()}, cache_policy=e.CachePolicy()
        ),
        (GIVEN, GIVEN),
    ),
    "asks, no thread": Case(asks),
    "asks": Case(lambda e: asks(e, **saved(e)), (GIVEN, answer("yes")), True),
    "subgraph asks": Case(lambda e: chain_of(e, ("sub", asks(e)), compiled=saved(e)), (GIVEN, answer("yes")), True),
    "called one asks": Case(calls_one_that_asks, (GIVEN, answer("yes")), True),
    "tools by hand": Case(tools.by_hand, ({"n": 1},)),
    "mode tools": Case(tools.by_hand, ({"n": 1},), options={"stream_mode": "tools"}),
    "tool node": Case(lambda e: tools.node_of(e, "speaks"), (tools.asked(("speaks", {"text": "a b"})),)),
    "tool fails": Case(lambda e: tools.node_of(e, "fails"), (tools.asked(("fails", {"why": "x"})),)),
    "tool asks": Case(
        lambda e: tools.node_of(e, "asks", compile=saved(e)),
        (tools.asked(("asks", {"question": "x"})), answer("so")),
        True,
    ),
    "agent": Case(agent, ({"messages": [("user", "hi")]},)),
    "functional": Case(functional, (1,)),
    "functional asks": Case(lambda e: functional(e, asking=True), (1, answer("a")), True),
}
