"""LangGraph's `langgraph.channels.topic`."""

from drumline_graph.channels import Topic

__all__ = ["Topic"]
