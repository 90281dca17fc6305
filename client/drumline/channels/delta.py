"""LangGraph's `langgraph.channels.delta`."""

from drumline_graph.channels import DeltaChannel

__all__ = ["DeltaChannel"]
