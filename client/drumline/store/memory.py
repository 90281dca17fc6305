"""LangGraph's `langgraph.store.memory`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Stores", "InMemoryStore")
