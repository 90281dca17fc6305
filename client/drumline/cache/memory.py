"""LangGraph's `langgraph.cache.memory`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Caching node results", "InMemoryCache")
