"""Ready-made agents and nodes (LangGraph's `langgraph.prebuilt`). Needs langchain-core."""

from importlib.util import find_spec
from typing import Any

if find_spec("langchain_core") is None:
    raise ModuleNotFoundError(
        "drumline.prebuilt is built on LangChain's tools and models, and langchain-core is not installed: "
        'pip install "drumline[langchain]"',
        name="langchain_core",
    )

from langchain_core.tools import InjectedToolCallId

from drumline._unbuilt import unbuilt
from drumline.prebuilt.chat_agent_executor import create_react_agent
from drumline.prebuilt.tool_node import (
    InjectedState,
    InjectedStore,
    ToolNode,
    ToolRuntime,
    tools_condition,
)

__all__ = [
    "InjectedState",
    "InjectedStore",
    "InjectedToolCallId",
    "ToolNode",
    "ToolRuntime",
    "create_react_agent",
    "tools_condition",
]


_ABSENT = {
    "ValidationNode": (
        "Validating tool calls without running them",
        "ToolNode answers invalid arguments with an error.",
    ),
    "ToolCallTransformer": ("Stream transformers", "Let a tool write to the stream writer of its ToolRuntime."),
}


def __getattr__(name: str) -> Any:
    feature, advice = _ABSENT.get(name, ("", ""))
    return unbuilt(__name__, feature, *_ABSENT, advice=advice)(name)
