"""LangGraph's `langgraph.prebuilt.tool_validator`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Validating tool calls without running them",
    "ValidationNode",
    advice="ToolNode answers invalid arguments with an error message.",
)
