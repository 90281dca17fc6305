"""LangGraph's own graphs for a cluster to serve: `--app tests.adapter.served:GRAPHS`. No name of drumline in them.

"l17" is LangGraph's graph of random seed 17 (how many there are says `DRUMLINE_TEST_SEEDS`), "guide_joke" an example of
the guide, the others are made here.
"""

import operator
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.tools import ToolRuntime
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.channels import DeltaChannel, EphemeralValue, LastValue
from langgraph.config import get_config, get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph, add_messages
from langgraph.graph.message import _messages_delta_reducer
from langgraph.prebuilt import create_react_agent
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel
from tests.differential import random_graphs
from tests.differential.engines import LANGGRAPH
from tests.differential.models import Parrot
from tests.differential.served_graphs import BuiltOnce, served_seeds
from tests.prebuilt.agents import FromInput
from typing_extensions import TypedDict

# -- an agent whose tools can only end together -----------------------------------------------------


def _leave_pid(marks: str) -> None:
    with Path(marks).open("a") as file:
        file.write(f"{os.getpid()}\n")


@tool
def meet(pipe: str, marks: str) -> str:
    """Tell where this runs, and wait for the other call: opening a pipe waits for its other end."""
    get_stream_writer()({"lane": "tools", "meets": "writer"})
    _leave_pid(marks)
    with open(pipe, "w") as end:
        end.write("hello")
    return "was met"


@tool
async def meet_back(pipe: str, marks: str, runtime: ToolRuntime) -> str:
    """The same from the other side, as an async tool."""
    runtime.stream_writer({"lane": "tools", "meets": "reader", "call": runtime.tool_call_id})
    _leave_pid(marks)
    with open(pipe) as end:
        return f"met by {end.read()}"


@tool
def ask_expert(question: str) -> str:
    """A tool that asks a model of its own."""
    return Parrot(prefix="expert on", tags=["expert"]).invoke(question).text


@tool
def die_once(marks: str) -> str:
    """Kill the worker that is the first to run this."""
    first = not Path(marks).exists()
    _leave_pid(marks)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{os.getpid()} survives"


class Counting(AgentMiddleware[Any, Any, Any]):
    """Counts the calls of the model in the state, tells of them, and edits what the model is asked."""

    class State(AgentState[Any]):
        model_calls: Annotated[int, operator.add]

    state_schema = State

    def before_model(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        runtime.stream_writer({"lane": "Counting.before_model", "calls": state.get("model_calls", 0)})
        return {"model_calls": 1}

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        return await handler(request)


class Verdict(BaseModel):
    """What the agent found."""

    place: str
    degrees: int = 0


def agent() -> Any:
    return create_agent(
        FromInput(turns=[]), [meet, meet_back, ask_expert, die_once], middleware=[Counting()], name="agent"
    )


def react() -> Any:
    return create_react_agent(FromInput(turns=[]), [meet, meet_back, ask_expert], name="react")


def judge() -> Any:
    """An agent with a structured response."""
    from langchain.agents.structured_output import ToolStrategy
    from tests.prebuilt.models import Scripted

    model = Scripted(turns=["done"], structured={"place": "sf", "degrees": 7})
    return create_agent(model, [], response_format=ToolStrategy(Verdict), name="judge")


# -- graphs -----------------------------------------------------------------------------------------


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    topic: str
    said: str


def says(name: str) -> Callable[[Any], dict[str, Any]]:
    def node(_: Any) -> dict[str, Any]:
        get_stream_writer()({"lane": name, "in": get_config()["metadata"]["langgraph_node"]})
        return {"log": [name]}

    return node


def chat() -> Any:
    """Models in a node, in a subgraph, in a router; several at once, tagged; a whole message beside them."""

    def speak(state: Chat) -> dict[str, Any]:
        return {"messages": [Parrot(tags=["speak"]).invoke(state["topic"])]}

    async def speak_later(state: Chat) -> dict[str, Any]:
        return {"messages": [await Parrot(prefix="later on").ainvoke(state["topic"])]}

    def route(state: Chat) -> str:
        Parrot(prefix="route of", tags=["router"]).invoke(state["topic"])
        return "sub"

    sub = StateGraph(Chat).add_node("inner", speak_later).add_edge(START, "inner").compile()
    builder = StateGraph(Chat).add_node("one", speak).add_node("two", speak_later).add_node("sub", sub)
    builder.add_node("quiet", lambda state: {"said": Parrot(tags=["nostream"]).invoke(state["topic"]).content})
    builder.add_edge(START, "one").add_edge(START, "two").add_conditional_edges("one", route, ["sub"])
    builder.add_edge("two", "quiet")
    return builder.compile(name="chat")


def nested() -> Any:
    """Subgraphs with routers and Sends, a command for the parent, a graph called in a function, an async node."""
    called = StateGraph(Log).add_node("deep", says("deep")).add_edge(START, "deep").compile()  # type: ignore[arg-type]

    def calls(state: Log) -> dict[str, Any]:
        return {"log": [str(len(called.invoke(state)["log"]))]}

    async def sent(state: Log) -> dict[str, Any]:
        return {"log": [f"sent {len(state['log'])} {get_runtime().execution_info is not None}"]}

    def up(_: Log) -> Command[Any]:
        return Command(graph=Command.PARENT, update={"log": ["up"]}, goto="end")

    def spread(_state: Log) -> list[Any]:
        return [Send("sent", {"log": ["s"] * n}) for n in range(12)]

    inner = StateGraph(Log).add_node("left", says("left")).add_node("right", says("right")).add_node("calls", calls)  # type: ignore[arg-type]
    inner.add_edge(START, "left").add_edge(START, "right").add_edge(["left", "right"], "calls")
    leaves = StateGraph(Log).add_node("up", up).add_edge(START, "up")  # type: ignore[arg-type]
    builder = StateGraph(Log).add_node("inner", inner.compile()).add_node("leaves", leaves.compile())
    builder.add_node("sent", sent).add_node("end", says("end"), defer=True)  # type: ignore[arg-type]
    builder.add_conditional_edges(START, lambda _: ["inner", "leaves"], ["inner", "leaves"])
    builder.add_conditional_edges("inner", spread, ["sent", END])
    return builder.compile(name="nested")


def asks() -> Any:
    """A question in a subgraph, whose siblings go on."""
    inner = StateGraph(Log).add_node("ask", lambda _: {"log": [interrupt({"why": 1})]}).add_node("aside", says("aside"))  # type: ignore[arg-type]
    inner.add_edge(START, "ask").add_edge(START, "aside")
    builder = StateGraph(Log).add_node("inner", inner.compile()).add_node("beside", says("beside"))  # type: ignore[arg-type]
    return builder.add_edge(START, "inner").add_edge(START, "beside").compile(name="asks")


def flaky() -> Any:
    """A node that LangGraph tries again, in the worker that runs it."""
    from langgraph.types import RetryPolicy

    def fails_twice(_: Log, runtime: Runtime[Any]) -> dict[str, Any]:
        attempt = runtime.execution_info.node_attempt if runtime.execution_info else 0
        runtime.stream_writer({"lane": "fails_twice", "attempt": attempt})
        if attempt < 3:
            raise ConnectionError("not yet")
        return {"log": [f"attempt {attempt}"]}

    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    builder = StateGraph(Log).add_node(fails_twice, retry_policy=policy).add_edge(START, "fails_twice")  # type: ignore[arg-type]
    return builder.compile(name="flaky")


# -- the functional API -----------------------------------------------------------------------------


@task
def double(number: int) -> int:
    get_stream_writer()({"lane": "double", "number": number})
    return 2 * number


@entrypoint()
def flow(number: int) -> int:
    return double(number).result() + double(number + 1).result()


@entrypoint()
async def aflow(topic: str) -> str:
    return str((await Parrot(prefix="flow on").ainvoke(topic)).text)


def mixed() -> Any:
    """A node of a graph that calls tasks of the functional API."""
    return (
        StateGraph(Log)
        .add_node("n", lambda _: {"log": [str(double(1).result()), str(double(2).result())]})
        .add_edge(START, "n")
        .compile(name="mixed")
    )


def routed() -> Any:
    """A subgraph node with a conditional edge whose router calls a model; what it returns has no ids."""

    def route(_: MessagesState) -> str:
        Parrot(prefix="route", tags=["router"]).invoke("where")
        return "after"

    def answer(_: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("one"), Parrot().invoke("two")]}

    inner = StateGraph(MessagesState).add_node("inner", answer).add_edge(START, "inner").compile()  # type: ignore[arg-type]
    builder = StateGraph(MessagesState).add_node("sub", inner).add_node("after", lambda _: {"messages": []})
    return builder.add_edge(START, "sub").add_conditional_edges("sub", route, ["after"]).compile(name="routed")


class Kept(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer)]


def kept() -> Any:
    """Messages in a delta channel, which a later node replaces by their ids."""

    def shorten(state: Kept) -> dict[str, Any]:
        first = state["messages"][0]
        return {"messages": [HumanMessage("short", id=first.id)]}

    builder = StateGraph(Kept).add_node("say", lambda _: {"messages": [AIMessage("said")]}).add_node("shorten", shorten)
    return builder.add_edge(START, "say").add_edge("say", "shorten").compile(name="kept")


def hand() -> Any:
    """A `Pregel` graph made by hand, with a single input and a single output."""
    first = NodeBuilder().subscribe_only("a").do(lambda text: text + text).write_to("b")
    second = NodeBuilder().subscribe_only("b").do(lambda text: f"{text}!").write_to("c")
    channels: dict[str, Any] = {"a": EphemeralValue(str), "b": LastValue(str), "c": LastValue(str)}
    nodes: dict[str, Any] = {"first": first, "second": second}
    return Pregel(nodes=nodes, channels=channels, input_channels="a", output_channels="c", name="hand")


_OWN: dict[str, Callable[[], Any]] = {
    build.__name__: build for build in (agent, react, judge, chat, nested, asks, flaky, mixed, routed, kept, hand)
}


def _random(seed: int) -> Any:
    return random_graphs.build(LANGGRAPH, random_graphs.from_seed(seed))


GRAPHS = BuiltOnce(
    {
        **_OWN,
        "flow": lambda: flow,
        "aflow": lambda: aflow,
        **{f"l{seed}": partial(_random, seed) for seed in served_seeds()},
    }
)
