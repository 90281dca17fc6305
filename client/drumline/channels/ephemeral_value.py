"""LangGraph's `langgraph.channels.ephemeral_value`."""

from drumline_graph.channels import EphemeralValue

__all__ = ["EphemeralValue"]
