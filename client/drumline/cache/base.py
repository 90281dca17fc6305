"""LangGraph's `langgraph.cache.base`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Caching node results", "BaseCache", "ValueT")
