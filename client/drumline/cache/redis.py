"""LangGraph's `langgraph.cache.redis`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Caching node results", "RedisCache")
