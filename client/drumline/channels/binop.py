"""LangGraph's `langgraph.channels.binop`."""

from drumline_graph.channels import BinaryOperatorAggregate

__all__ = ["BinaryOperatorAggregate"]
