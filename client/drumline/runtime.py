"""The run as a node sees it (LangGraph's `langgraph.runtime`)."""

from drumline._unbuilt import unbuilt
from drumline_worker.context import get_runtime
from drumline_worker.runtime import BaseUser, ExecutionInfo, Runtime, ServerInfo

__all__ = ["BaseUser", "ExecutionInfo", "Runtime", "ServerInfo", "get_runtime"]

__getattr__ = unbuilt(
    __name__, "Draining a run", "RunControl", advice="Close the stream, or call Cluster().cancel(run_id)."
)
