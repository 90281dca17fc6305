"""LangGraph's `langgraph.checkpoint.serde.event_hooks`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Persistence", "SerdeEvent", "register_serde_event_listener", "emit_serde_event")
