"""A library of graphs with a checkpointer, for scripts of operations on their threads."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool

IN = {"log": ["in"]}


class State(TypedDict):
    log: Annotated[list, operator.add]
    n: int


class Talk(State):
    messages: Annotated[list, operator.add]


def write(text: str) -> Callable[[Any], Any]:
    def node(_state: State) -> Any:
        return {"log": [text]}

    return node


def asking(e: Any, *questions: str) -> Callable[[Any], Any]:
    def node(_state: State) -> Any:
        return {"log": [e.interrupt(question) for question in questions]}

    return node


def chain(e: Any, **nodes: Any) -> Any:
    """A graph whose nodes follow one another."""
    return chain_of(e, State, **nodes)


def chain_of(e: Any, schema: Any, **nodes: Any) -> Any:
    """The same of another state."""
    graph = e.StateGraph(schema)
    before = e.START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    return graph


def kept(e: Any, graph: Any, **options: Any) -> Any:
    return graph.compile(checkpointer=e.InMemorySaver(), **options)


def quiet(e: Any) -> Any:
    return chain(e, sa=write("sa"), sz=write("sz"))


def inner(e: Any) -> Any:
    return chain(e, sa=write("sa"), sq=asking(e, "inner"), sz=write("sz"))


def calling(e: Any, graph: Any, times: int = 1, config: Any = None) -> Any:
    """A graph with a node whose code calls `graph`."""

    def caller(_state: State) -> Any:
        return {"log": [item for _ in range(times) for item in graph.invoke({"log": ["c"]}, config)["log"]]}

    return kept(e, chain(e, a=write("a"), caller=caller, z=write("z")))


def around(e: Any, child: Any) -> Any:
    """A graph with `child` as a node."""
    return kept(e, chain(e, a=write("a"), child=child, z=write("z")))


# -- one graph ------------------------------------------------------------------------------------


def line(e: Any) -> Any:
    return kept(e, chain(e, a=write("a"), b=write("b"), c=write("c")))


def asks(e: Any) -> Any:
    return kept(e, chain(e, a=write("a"), q=asking(e, "q1", "q2"), z=write("z")))


def fan(e: Any) -> Any:
    graph = e.StateGraph(State)
    for name, node in (("ask", asking(e, "q")), ("oth", write("oth")), ("z", write("z"))):
        graph.add_node(name, node)
    graph.add_edge(e.START, "ask")
    graph.add_edge(e.START, "oth")
    graph.add_edge(["ask", "oth"], "z")
    return kept(e, graph)


def two_ask(e: Any) -> Any:
    graph = e.StateGraph(State)
    for name in ("p", "q"):
        graph.add_node(name, asking(e, name))
        graph.add_edge(e.START, name)
    graph.add_node("z", write("z"))
    graph.add_edge(["p", "q"], "z")
    return kept(e, graph)


def routed(e: Any) -> Any:
    graph = e.StateGraph(State)
    for name in ("a", "l", "r"):
        graph.add_node(name, write(name))
    graph.add_edge(e.START, "a")
    graph.add_conditional_edges("a", lambda state: "l" if len(state["log"]) % 2 else "r", ["l", "r"])
    graph.add_conditional_edges("l", lambda _: [e.Send("r", {"log": ["x"]}), e.Send("r", {"log": ["y"]})], ["r"])
    return kept(e, graph)


def commands(e: Any) -> Any:
    def a(_state: State) -> Any:
        return e.Command(goto=["b", e.Send("c", {"log": ["x"]})], update={"log": ["a"]})

    graph = e.StateGraph(State)
    graph.add_node("a", a)
    graph.add_node("b", write("b"))
    graph.add_node("c", write("c"))
    graph.add_edge(e.START, "a")
    graph.add_edge("b", "c")
    return kept(e, graph)


def joins(e: Any) -> Any:
    graph = e.StateGraph(State)
    for name in "abcd":
        graph.add_node(name, write(name))
    graph.add_node("late", write("late"), defer=True)
    graph.add_edge(e.START, "a")
    graph.add_edge(e.START, "b")
    graph.add_edge("a", "c")
    graph.add_edge(["b", "c"], "d")
    graph.add_edge("a", "late")
    return kept(e, graph)


def fails(e: Any) -> Any:
    def boom(state: State) -> Any:
        if "fixed" in state["log"]:
            return {"log": ["ok"]}
        raise ValueError("boom")

    return kept(e, chain(e, a=write("a"), boom=boom, z=write("z")))


def stops_before(e: Any) -> Any:
    return kept(e, chain(e, a=write("a"), b=write("b"), c=write("c")), interrupt_before=["b"])


def stops_after(e: Any) -> Any:
    return kept(e, chain(e, a=write("a"), b=write("b"), c=write("c")), interrupt_after=["a", "c"])


def unkeyed(e: Any) -> Any:
    graph = e.StateGraph(Annotated[list, operator.add])
    graph.add_node("a", lambda _: ["a"])
    graph.add_node("b", lambda _: ["b"])
    graph.add_edge(e.START, "a")
    graph.add_edge("a", "b")
    return kept(e, graph)


# -- graphs within graphs -------------------------------------------------------------------------


def child(e: Any) -> Any:
    return around(e, inner(e).compile())


def grandchild(e: Any) -> Any:
    middle = chain(e, m=write("m"), inner=inner(e).compile()).compile()
    return kept(e, chain(e, child=middle, z=write("z")))


def child_with_one_history(e: Any) -> Any:
    return around(e, quiet(e).compile(checkpointer=True))


def child_with_one_history_asks(e: Any) -> Any:
    return around(e, inner(e).compile(checkpointer=True))


def child_without_history(e: Any) -> Any:
    return around(e, quiet(e).compile(checkpointer=False))


def child_with_a_saver(e: Any) -> Any:
    return around(e, kept(e, quiet(e)))


def loop_over_one_history(e: Any) -> Any:
    graph = chain(e, a=write("a"), child=quiet(e).compile(checkpointer=True))
    graph.add_conditional_edges("child", lambda state: "a" if len(state["log"]) < 30 else e.END, ["a", e.END])
    return kept(e, graph)


def grandchild_with_one_history(e: Any) -> Any:
    middle = chain(e, m=write("m"), inner=quiet(e).compile(checkpointer=True), mq=asking(e, "mid")).compile()
    return kept(e, chain(e, child=middle, z=write("z")))


def histories_within_histories(e: Any) -> Any:
    one = quiet(e).compile(checkpointer=True)
    middle = chain(e, m=write("m"), inner=one, mq=asking(e, "mid")).compile(checkpointer=True)
    return kept(e, chain(e, child=middle, z=write("z")))


def child_of_one_history(e: Any) -> Any:
    middle = chain(e, m=write("m"), inner=inner(e).compile(), mq=asking(e, "mid")).compile(checkpointer=True)
    return kept(e, chain(e, child=middle, z=write("z")))


def calls(e: Any) -> Any:
    return calling(e, inner(e).compile())


def calls_twice(e: Any) -> Any:
    return calling(e, inner(e).compile(), 2)


def calls_one_history(e: Any) -> Any:
    return calling(e, inner(e).compile(checkpointer=True))


def calls_one_history_twice(e: Any) -> Any:
    return calling(e, quiet(e).compile(checkpointer=True), 2)


def calls_without_history(e: Any) -> Any:
    return calling(e, quiet(e).compile(checkpointer=False))


def calls_on_a_thread_of_its_own(e: Any) -> Any:
    return calling(e, kept(e, quiet(e)), config={"configurable": {"thread_id": "own"}})


# -- questions of called graphs -------------------------------------------------------------------


def calls_with_questions(e: Any) -> Any:
    """Two in one node, and one in the next."""
    asks = chain(e, one=asking(e, "1a", "1b"), two=asking(e, "2"), end=write("end"))
    return calling(e, asks.compile())


def calls_in_a_loop(e: Any) -> Any:
    """The node runs again and again, and calls the graph each time."""
    asks = inner(e).compile()

    def caller(_state: State) -> Any:
        return {"log": asks.invoke({"log": ["c"]})["log"]}

    graph = chain(e, a=write("a"), caller=caller)
    graph.add_conditional_edges("caller", lambda state: "a" if len(state["log"]) < 11 else e.END, ["a", e.END])
    return kept(e, graph)


def calls_with_a_saver(e: Any) -> Any:
    """The called graph has a saver of its own: that of its caller's run counts."""
    return calling(e, kept(e, inner(e)))


def calls_beside_a_question(e: Any) -> Any:
    """The node asks in front of the call, and behind it."""
    asks = inner(e).compile()

    def caller(_state: State) -> Any:
        before = e.interrupt("before")
        log = asks.invoke({"log": [before]})["log"]
        return {"log": [*log, e.interrupt("behind")]}

    return kept(e, chain(e, a=write("a"), caller=caller, z=write("z")))


def calls_within_calls(e: Any) -> Any:
    """A called graph whose node calls another one."""
    asks = inner(e).compile()

    def below(_state: State) -> Any:
        return {"log": asks.invoke({"log": ["b"]})["log"]}

    return calling(e, chain(e, m=write("m"), below=below, mq=asking(e, "mid")).compile())


def calls_within_a_child(e: Any) -> Any:
    """A node of a subgraph calls the graph."""
    asks = inner(e).compile()

    def caller(_state: State) -> Any:
        return {"log": asks.invoke({"log": ["c"]})["log"]}

    return around(e, chain(e, ca=write("ca"), caller=caller).compile())


def calls_by_sends(e: Any) -> Any:
    """Two tasks of one node call the graph, side by side."""
    asks = chain(e, sq=lambda state: {"log": [e.interrupt(f"for {state['log'][0]}")]}, sz=write("sz")).compile()

    def caller(state: State) -> Any:
        return {"log": asks.invoke({"log": state["log"]})["log"]}

    graph = e.StateGraph(State)
    graph.add_node("a", write("a"))
    graph.add_node("caller", caller)
    graph.add_edge(e.START, "a")
    graph.add_conditional_edges("a", lambda _: [e.Send("caller", {"log": [text]}) for text in "xy"], ["caller"])
    return kept(e, graph)


def calls_in_a_tool(e: Any) -> Any:
    """A tool calls the graph."""
    asks = inner(e).compile()

    @tool
    def consult(text: str) -> ToolMessage:
        """Ask the graph."""
        return ToolMessage(",".join(asks.invoke({"log": [text]})["log"]), tool_call_id="c1", id="t", name="consult")

    def model(_state: Any) -> Any:
        call = {"name": "consult", "args": {"text": "t"}, "id": "c1"}
        return {"messages": [AIMessage("", tool_calls=[call], id="m")]}

    def told(state: Any) -> Any:
        return {"log": [state["messages"][-1].content]}

    return kept(e, chain_of(e, Talk, model=model, tools=e.module("prebuilt").ToolNode([consult]), told=told))


def calls_async(e: Any) -> Any:
    """The node is async."""
    asks = inner(e).compile()

    async def caller(_state: State) -> Any:
        return {"log": [item for _ in range(2) for item in (await asks.ainvoke({"log": ["c"]}))["log"]]}

    return kept(e, chain(e, a=write("a"), caller=caller, z=write("z")))


#: graphs whose nodes call a graph that asks
ASKING = (
    calls_with_questions,
    calls_in_a_loop,
    calls_with_a_saver,
    calls_beside_a_question,
    calls_within_calls,
    calls_within_a_child,
    calls_by_sends,
    calls_in_a_tool,
)
