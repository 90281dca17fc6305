"""LangGraph's `langgraph.checkpoint.serde.types`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Persistence", "Value", "Update", "C", "ChannelProtocol", "SendProtocol")
