"""The run as a node sees it (LangGraph's `langgraph.runtime`)."""

from drumline_worker.context import get_runtime
from drumline_worker.runtime import BaseUser, ExecutionInfo, RunControl, Runtime, ServerInfo

__all__ = ["BaseUser", "ExecutionInfo", "RunControl", "Runtime", "ServerInfo", "get_runtime"]
