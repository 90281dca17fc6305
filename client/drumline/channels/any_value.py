"""LangGraph's `langgraph.channels.any_value`."""

from drumline_graph.channels import AnyValue

__all__ = ["AnyValue"]
