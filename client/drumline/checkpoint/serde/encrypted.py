"""LangGraph's `langgraph.checkpoint.serde.encrypted`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Persistence", "EncryptedSerializer")
