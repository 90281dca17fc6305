"""The run as a node sees it (LangGraph's `langgraph.runtime`)."""

from drumline_worker.context import get_runtime
from drumline_worker.runtime import ExecutionInfo, Runtime

__all__ = ["ExecutionInfo", "Runtime", "get_runtime"]
