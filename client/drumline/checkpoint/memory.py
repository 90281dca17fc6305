"""LangGraph's `langgraph.checkpoint.memory`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Persistence", "InMemorySaver", "MemorySaver", "PersistentDict")
