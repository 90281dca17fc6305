"""Structured output: agents with `response_format`, and `ChatOpenAI.with_structured_output` in nodes."""

from typing import Annotated, Any, Literal

from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AnyMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import add_messages
from pydantic import BaseModel, Field
from tests.field.script import call, say, say_json
from typing_extensions import TypedDict


class Contact(BaseModel):
    """Who is to be called."""

    name: str
    phones: list[str] = Field(default_factory=list)


def look_up(name: str) -> str:
    """Look up a person."""
    return f"{name}: 555-1234"


def structured_by_provider(_: Any) -> Any:
    """The provider's own structured output: the parsed object stands in `additional_kwargs` of the message."""
    return create_agent(ChatOpenAI(model="contact"), [look_up], response_format=ProviderStrategy(Contact))


def structured_by_tool(_: Any) -> Any:
    """A tool call that stands for the answer, with one answer that does not fit and is corrected."""
    return create_agent(ChatOpenAI(model="contact-tool"), [look_up], response_format=ToolStrategy(Contact))


class Route(BaseModel):
    """Where the question goes."""

    step: Literal["poem", "joke"] = Field(description="What is asked for.")


class Parts(TypedDict):
    """A plan as a TypedDict."""

    parts: Annotated[list[str], ..., "The parts of the text."]


class Routed(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    route: Route
    contact: Contact
    parts: Parts


def structured_router(e: Any) -> Any:
    """A node that decides with a pydantic class, one that keeps the raw message too, one with a TypedDict."""
    model = ChatOpenAI(model="router")

    def decide(state: Routed) -> Any:
        return {"route": model.with_structured_output(Route).invoke(state["messages"])}

    def plan(state: Routed) -> Any:
        asked = [*state["messages"], ("user", "which parts?")]
        return {"parts": model.with_structured_output(Parts, method="function_calling").invoke(asked)}

    def poem(state: Routed) -> Any:
        asked = [*state["messages"], ("user", f"write {', '.join(state['parts']['parts'])}")]
        both = model.with_structured_output(Contact, include_raw=True).invoke(asked)
        return {"contact": both["parsed"], "messages": [both["raw"]]}

    builder = e.StateGraph(Routed).add_node("decide", decide).add_node("plan", plan).add_node("poem", poem)
    builder.add_node("joke", lambda _: {"messages": [("ai", "no joke")]})
    builder.add_edge(e.START, "decide").add_edge("plan", "poem")
    builder.add_conditional_edges("decide", lambda state: state["route"].step, {"poem": "plan", "joke": "joke"})
    return builder.compile(name="structured_router")


_WHO = {"messages": [{"role": "user", "content": "how do I reach Ada?"}]}
GIVEN = {
    "structured_by_provider": _WHO,
    "structured_by_tool": _WHO,
    "structured_router": {"messages": [{"role": "user", "content": "a poem for Ada, please", "id": "h"}]},
}
SCRIPTS = {
    "contact": [
        (r"tool: Ada: 555-1234", say_json(name="Ada", phones=["555-1234"])),
        (r"Ada", call(("look_up", {"name": "Ada"}))),
    ],
    "contact-tool": [
        (r"fix your mistakes|Failed to parse", call(("Contact", {"name": "Ada", "phones": ["555-1234"]}))),
        (r"tool: Ada: 555-1234", call(("Contact", {"name": "Ada", "phones": 5551234}))),
        (r"Ada", call(("look_up", {"name": "Ada"}))),
    ],
    "router": [
        (r"write verse, rhyme", say_json(name="Ada", phones=["1", "2"])),
        (r"which parts", call(("Parts", {"parts": ["verse", "rhyme"]}))),
        (r"poem", say_json(step="poem")),
        (r".", say("?")),
    ],
}
