"""The functional API (LangGraph's `langgraph.func`): workflows as functions, with steps whose results are kept."""

from drumline.func.entrypoints import entrypoint
from drumline.func.tasks import task

__all__ = ("entrypoint", "task")
