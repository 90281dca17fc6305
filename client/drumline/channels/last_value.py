"""LangGraph's `langgraph.channels.last_value`."""

from drumline_graph.channels import LastValue, LastValueAfterFinish

__all__ = ["LastValue", "LastValueAfterFinish"]
