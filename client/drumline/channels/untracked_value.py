"""LangGraph's `langgraph.channels.untracked_value`."""

from drumline_graph.channels import UntrackedValue

__all__ = ["UntrackedValue"]
