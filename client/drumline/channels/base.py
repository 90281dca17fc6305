"""LangGraph's `langgraph.channels.base`."""

from drumline_graph.channels import BaseChannel

__all__ = ["BaseChannel"]
