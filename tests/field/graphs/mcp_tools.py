"""langchain-mcp-adapters: an agent whose tools are those of a local MCP server, spoken to over stdio."""

import asyncio
import sys
from functools import cache
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import tools_condition
from tests.field.script import call, say

SERVER = Path(__file__).with_name("math_server.py")


@cache
def _tools() -> list[Any]:
    told = {"math": {"command": sys.executable, "args": [str(SERVER)], "transport": "stdio"}}
    return asyncio.run(MultiServerMCPClient(told).get_tools())  # type: ignore[arg-type]


def mcp_agent(_: Any) -> Any:
    """The quick start: two tools in one turn, of which one answers with data beside its text (an artifact)."""
    return create_agent(ChatOpenAI(model="mathematician"), _tools(), name="mathematician")


def mcp_graph(e: Any) -> Any:
    """The README's graph: a model, a tool node, and a condition between them."""
    tools = _tools()
    model = ChatOpenAI(model="mathematician").bind_tools(tools)

    async def call_model(state: e.MessagesState) -> Any:  # type: ignore[name-defined]
        return {"messages": await model.ainvoke(state["messages"])}

    builder = e.StateGraph(e.MessagesState).add_node(call_model).add_node(e.ToolNode(tools))
    builder.add_edge(e.START, "call_model").add_edge("tools", "call_model")
    condition = tools_condition if e.root == "langgraph" else e.tools_condition
    return builder.add_conditional_edges("call_model", condition).compile(name="mcp_graph")


GIVEN = {
    "mcp_agent": {"messages": [{"role": "user", "content": "what is 3 + 5, and what divides 12?"}]},
    "mcp_graph": {"messages": [{"role": "user", "content": "what is 3 + 5, and what divides 12?"}]},
}
SCRIPTS = {
    "mathematician": [
        (r"tool: 8.*12 has 4", say("It is 8, and four do.")),
        (r"3 \+ 5", call(("add", {"a": 3, "b": 5}), ("factors", {"n": 12}))),
    ],
}
