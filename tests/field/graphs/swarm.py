"""langgraph-swarm: its quick start, a handoff tool with a task, agents with a state of their own behind a wrapper."""

from typing import Annotated, Any

from langchain.agents import create_agent
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langchain_openai import ChatOpenAI
from langgraph.graph import add_messages
from langgraph.prebuilt import InjectedState
from langgraph.types import Command
from langgraph_swarm import SwarmState, add_active_agent_router, create_handoff_tool, create_swarm
from tests.field.script import call, say
from typing_extensions import TypedDict


def add(a: int, b: int) -> int:
    """Add two numbers"""
    return a + b


def swarm(_: Any) -> Any:
    """The quick start: Alice gives to Bob, who gives back for a sum."""
    alice = create_agent(
        ChatOpenAI(model="alice"),
        tools=[add, create_handoff_tool(agent_name="Bob", description="Transfer to Bob")],
        system_prompt="You are Alice, who adds.",
        name="Alice",
    )
    bob = create_agent(
        ChatOpenAI(model="bob"),
        tools=[create_handoff_tool(agent_name="Alice", description="Transfer to Alice, who can add")],
        system_prompt="You are Bob, a pirate.",
        name="Bob",
    )
    return create_swarm([alice, bob], default_active_agent="Alice").compile()


def _handoff(agent_name: str) -> Any:
    @tool(f"to_{agent_name}", description=f"Ask {agent_name}.")
    def to_agent(
        task_description: Annotated[str, "What the next agent is to do."],
        state: Annotated[dict[str, Any], InjectedState],
        tool_call_id: Annotated[str, InjectedToolCallId],
    ) -> Any:
        told = ToolMessage(f"transferred to {agent_name}", name=f"to_{agent_name}", tool_call_id=tool_call_id)
        update = {
            "messages": [*state["messages"], told],
            "active_agent": agent_name,
            "task_description": task_description,
        }
        return Command(goto=agent_name, graph=Command.PARENT, update=update)

    return to_agent


class Tasked(SwarmState):
    task_description: str


def swarm_with_tasks(_: Any) -> Any:
    """A state of one's own, and the description of a task that travels with the handoff."""
    planner = create_agent(ChatOpenAI(model="planner"), tools=[_handoff("Booker")], name="Planner")
    booker = create_agent(ChatOpenAI(model="booker"), tools=[add], name="Booker")
    return create_swarm([planner, booker], default_active_agent="Planner", state_schema=Tasked).compile(name="tasked")


class AliceState(TypedDict):
    alice_messages: Annotated[list[AnyMessage], add_messages]


def swarm_wrapped(e: Any) -> Any:
    """Agents with private messages, called by functions, behind the package's router."""

    def alone(state: AliceState) -> Any:
        return {"alice_messages": [ChatOpenAI(model="alone").invoke(state["alice_messages"])]}

    inner = e.StateGraph(AliceState).add_node("model", alone).add_edge(e.START, "model").compile()

    def call_alice(state: SwarmState) -> Any:
        answered = inner.invoke({"alice_messages": state["messages"]})
        update = {"messages": answered["alice_messages"], "active_agent": "Bob"}
        return e.Command(goto="Bob", update=update)

    def call_bob(state: SwarmState) -> Any:
        return {"messages": [ChatOpenAI(model="bob").invoke(state["messages"])]}

    builder = e.StateGraph(SwarmState)
    builder.add_node("Alice", call_alice, destinations=("Bob",)).add_node("Bob", call_bob, destinations=("Alice",))
    return add_active_agent_router(builder=builder, route_to=["Alice", "Bob"], default_active_agent="Alice").compile()


GIVEN = {
    "swarm": {"messages": [{"role": "user", "content": "let me speak to Bob: what is 5 + 7?"}]},
    "swarm_with_tasks": {"messages": [("user", "book me a trip of 3 and 4 nights")]},
    "swarm_wrapped": {"messages": [("user", "who are you?")]},
}
SCRIPTS = {
    "alice": [
        (r"tool: 12", say("It is 12.")),
        (r"transferred to Alice", call(("add", {"a": 5, "b": 7}))),
        (r"Bob", call(("transfer_to_bob", {}))),
    ],
    "bob": [
        (r"I am Alice", say("Arr, and I be Bob.")),
        (r"transferred to Bob", call(("transfer_to_alice", {}), text="Arr, ask Alice.")),
    ],
    "planner": [(r"trip", call(("to_Booker", {"task_description": "book 3 and 4 nights"})))],
    "booker": [
        (r"tool: 7", say("Seven nights are booked.")),
        (r"transferred to Booker", call(("add", {"a": 3, "b": 4}))),
    ],
    "alone": [(r"who are you", say("I am Alice."))],
}
