"""LangGraph's `langgraph.utils.config`."""

from drumline_worker.context import get_config, get_store

__all__ = ["get_config", "get_store"]
