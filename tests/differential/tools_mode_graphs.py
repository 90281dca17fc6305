"""Graphs whose tools are called in every way, for the stream mode `tools`: by a tool node, by hand, in graphs below."""

import operator
from collections.abc import Callable
from typing import Annotated, Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from tests.prebuilt.models import Scripted, call
from typing_extensions import TypedDict

from .engines import Engine

MODES = ["values", "updates", "custom", "tasks", "messages", "tools"]


class Chat(TypedDict, total=False):
    """The state of these graphs, whose reducers both engines know."""

    log: Annotated[list[Any], operator.add]
    n: int


class Trouble(Exception):
    pass


def tools_of(e: Engine) -> dict[str, BaseTool]:
    """One tool of each kind."""

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @tool
    async def aadd(a: int, b: int) -> int:
        """Add two numbers, in time."""
        return a + b

    @tool
    def fails(why: str) -> str:
        """Fail."""
        raise Trouble(why)

    @tool
    def speaks(text: str, runtime: e.ToolRuntime) -> str:  # type: ignore[name-defined]
        """Say a text in parts."""
        for word in text.split():
            runtime.emit_output_delta({"word": word})
            runtime.stream_writer(word)
        return text

    @tool
    def goes(to: str, call: Annotated[str, InjectedToolCallId]) -> Any:
        """Go elsewhere."""
        return e.Command(update={"messages": [ToolMessage(to, id=f"went {to}", tool_call_id=call)]}, goto=to)

    @tool
    def asks(question: str) -> str:
        """Ask the caller."""
        return f"{question}: {e.interrupt(question)}"

    @tool
    def calls(a: int) -> str:
        """Call another tool, and a model."""
        said = Scripted(turns=["one two"]).invoke("hi")
        return f"{add.invoke({'a': a, 'b': 1})} {said.text}"

    @tool(response_format="content_and_artifact")
    def both() -> tuple[str, dict[str, int]]:
        """Give content and artifact."""
        return "seen", {"rows": 3}

    return {each.name: each for each in (add, aadd, fails, speaks, goes, asks, calls, both)}


def asked(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A state whose last message calls tools."""
    made = [call(f"c{number}", name, args) for number, (name, args) in enumerate(calls)]
    return {"messages": [HumanMessage("go", id="h"), AIMessage("", id="a", tool_calls=made)]}


def node_of(e: Engine, *names: str, **options: Any) -> Any:
    """A graph of one tool node, and a node that it may go to."""
    known = tools_of(e)
    given = options.pop("compile", {})
    node = e.ToolNode([known[name] for name in names], **options)
    builder = e.StateGraph(e.MessagesState).add_node("tools", node).add_node("there", lambda _: None)
    return builder.add_edge(e.START, "tools").compile(**given)


def chat_graph(e: Engine, name: str, *nodes: tuple[str, Callable[..., Any]], **given: Any) -> Any:
    """A chain of nodes."""
    builder = e.StateGraph(Chat)
    before = e.START
    for node, action in nodes:
        builder.add_node(node, action)
        builder.add_edge(before, node)
        before = node
    return builder.compile(name=name, **given)


def by_hand(e: Engine) -> Any:
    """Tools called in nodes and in a router: with a call, with arguments, and with configs of other people."""
    known = tools_of(e)

    def first(_: Any) -> Any:
        added = known["add"].invoke({"a": 1, "b": 2})
        told = known["add"].invoke({"type": "tool_call", "id": "own", "name": "add", "args": {"a": 3, "b": 4}})
        tagged = known["add"].invoke({"a": 5, "b": 6}, {"metadata": {"mine": 1}, "tags": ["t"]})
        hidden = known["add"].invoke({"a": 7, "b": 8}, {"tags": ["nostream"]})
        try:
            known["fails"].invoke({"why": "no"})
        except Trouble as error:
            return {"log": [added, told.content, tagged, hidden, str(error)]}

    def second(_: Any) -> Any:
        return {"log": [known["calls"].invoke({"a": 1})]}

    return chat_graph(e, "by_hand", ("first", first), ("second", second))


def below(e: Engine) -> Any:
    """A tool node in a subgraph, one in a graph that a node calls, and a tool beside."""
    known = tools_of(e)
    inner = node_of(e, "add", "speaks")
    called = node_of(e, "add")

    def before(_: Any) -> Any:
        return {"messages": [HumanMessage(str(known["add"].invoke({"a": 0, "b": 0})), id="b")]}

    def calling(_: Any) -> Any:
        found = called.invoke(asked(("add", {"a": 8, "b": 9})))
        return {"messages": [HumanMessage(found["messages"][-1].content, id="c")]}

    def wants(_: Any) -> Any:
        return {"messages": asked(("add", {"a": 1, "b": 1}), ("speaks", {"text": "x y"}))["messages"][1:]}

    builder = e.StateGraph(e.MessagesState)
    builder.add_node("before", before).add_node("wants", wants).add_node("sub", inner).add_node("calling", calling)
    builder.add_edge(e.START, "before").add_edge("before", "wants").add_edge("wants", "sub").add_edge("sub", "calling")
    return builder.compile()


def listening(e: Engine) -> Any:
    """A node that reads the stream of a graph that it calls: in mode `tools`, and puts into the state what it heard."""
    called = node_of(e, "add")

    def reads(_: Any) -> Any:
        heard = list(called.stream(asked(("add", {"a": 8, "b": 9})), stream_mode=["tools", "updates"]))
        return {"log": [(mode, sorted(item)) for mode, item in heard]}

    return chat_graph(e, "listening", ("reads", reads))


def agent(e: Engine) -> Any:
    """A prebuilt agent with two turns of tools."""
    known = tools_of(e)
    turns = [
        [("add", {"a": 1, "b": 2}), ("speaks", {"text": "a b"})],
        [("add", {"a": 3, "b": 4})],
        "all done",
    ]
    return e.create_react_agent(Scripted(turns=turns), [known["add"], known["speaks"]])


def functional(e: Engine) -> Any:
    """An entrypoint and its `@task`s, with tools in both."""
    known = tools_of(e)

    @e.task
    def adds(n: int) -> int:
        return int(known["add"].invoke({"a": n, "b": n}))

    @e.entrypoint()
    def flow(n: int) -> list[int]:
        return [adds(n).result(), known["add"].invoke({"a": n, "b": 1})]

    return flow
