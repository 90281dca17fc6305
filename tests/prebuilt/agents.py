"""Agents for a cluster to serve: `--app tests.prebuilt.agents:GRAPHS`. `build(engine, name)` makes any of them."""

import asyncio
import os
from collections.abc import Callable
from typing import Annotated, Any

from langchain_core.messages import AnyMessage, SystemMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from pydantic import BaseModel
from tests.differential.engines import DRUMLINE, Engine
from tests.prebuilt.models import Scripted
from typing_extensions import TypedDict


class Weather(BaseModel):
    """The weather of a place."""

    place: str
    degrees: int = 0


class User(BaseModel):
    name: str


def tools_of(e: Engine) -> list[Any]:
    """Only one of them writes: custom events of one task's tools race."""

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        for number in (a, b):
            e.get_stream_writer()({"lane": "tools", "number": number})
        return a + b

    @tool
    async def find(place: str) -> dict[str, Any]:
        """List what there is."""
        await asyncio.sleep(0)
        return {"place": place, "items": ["books", "pencils"]}

    @tool
    def who(user: Annotated[Any, e.InjectedState("user")], runtime: e.ToolRuntime) -> str:
        """Say who asks."""
        return f"{user!r} {sorted(runtime.state)} {runtime.tool_call_id}"

    @tool
    def note(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
        """Keep a note."""
        return e.Command(update={"notes": [text], "messages": [ToolMessage("noted", tool_call_id=tool_call_id)]})

    @tool
    def fails(how: str) -> str:
        """Fail."""
        raise ValueError(how)

    return [add, find, who, note, fails]


LOOP = (
    [("add", {"a": 1, "b": 2}), ("find", {"place": "office"}), ("add", {"a": "x", "b": 2}), ("unknown", {})],
    [("who", {}), ("note", {"text": "one"}), ("note", {"text": "two"})],
    "done",
)
INPUT = {"messages": [("user", "hello")], "user": User(name="ann"), "notes": []}


def _join(left: list[str], right: list[str]) -> list[str]:
    return left + right


def build(e: Engine, name: str) -> Any:
    """The agent `name` with one of the engines."""

    class State(e.AgentState):  # type: ignore[misc,name-defined]
        user: User
        notes: Annotated[list[str], _join]

    class StateWithAnswer(State):
        structured_response: Weather

    def prompt(state: Any) -> list[AnyMessage]:
        return [SystemMessage(f"notes: {state['notes']}"), *state["messages"]]

    model = Scripted(turns=list(LOOP), echo=True, disable_streaming=True, structured={"place": "sf"})
    options: dict[str, Any] = {"state_schema": State, "prompt": prompt, "name": name}
    if name == "agent_v1":
        options["version"] = "v1"
    elif name == "agent_hooks":
        options["state_schema"] = StateWithAnswer
        options["response_format"] = Weather
        options["post_model_hook"] = lambda _: {"notes": ["asked"]}
    elif name == "agent_fails":
        model.turns = [[("fails", {"how": "on purpose"})], "done"]
    agent = e.create_react_agent(model, tools_of(e), **options)
    if name != "agent_nested":
        return agent

    class Outer(TypedDict):
        messages: Annotated[list[AnyMessage], e.add_messages]
        user: User
        notes: Annotated[list[str], _join]

    graph = e.StateGraph(Outer).add_node("agent", agent).add_edge(e.START, "agent")
    return graph.compile(name=name)


NAMES = ("agent_v1", "agent_v2", "agent_hooks", "agent_fails", "agent_nested")


# -- two tools that can only end together ---------------------------------------------------------


@tool
def meet(pipe: str) -> str:
    """Say who runs this, and wait until the other call is there: opening a pipe waits for its other end."""
    with open(pipe, "w") as end:
        end.write(str(os.getpid()))
    return str(os.getpid())


@tool
def meet_back(pipe: str) -> str:
    """The same from the other side."""
    with open(pipe) as end:
        return f"{os.getpid()} met {end.read()}"


@tool
async def items(place: str) -> str:
    """An async tool that writes."""
    from drumline.config import get_stream_writer

    for item in ("books", "pencils", "pictures"):
        get_stream_writer()({"custom_tool_data": item})
        await asyncio.sleep(0)
    return place


class FromInput(Scripted):
    """Calls the tools that the user's message names, as JSON; then says that it is done."""

    def _turn(self, messages: Any, kwargs: Any) -> Any:
        import json

        self.turns = [[(name, args) for name, args in json.loads(messages[0].text)], "done"]
        return super()._turn(messages, kwargs)


def meeting() -> Any:
    """An agent whose two tools wait for each other."""
    return DRUMLINE.create_react_agent(FromInput(turns=[]), [meet, meet_back, items], name="meeting")


_BUILDERS: dict[str, Callable[[], Any]] = {name: lambda name=name: build(DRUMLINE, name) for name in NAMES}  # type: ignore[misc]
GRAPHS = {name: make() for name, make in {**_BUILDERS, "meeting": meeting}.items()}
