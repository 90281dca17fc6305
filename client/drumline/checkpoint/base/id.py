"""LangGraph's `langgraph.checkpoint.base.id`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Persistence", "UUID", "uuid6")
