"""LangGraph's `langgraph.channels.named_barrier_value`."""

from drumline_graph.channels import NamedBarrierValue, NamedBarrierValueAfterFinish

__all__ = ["NamedBarrierValue", "NamedBarrierValueAfterFinish"]
