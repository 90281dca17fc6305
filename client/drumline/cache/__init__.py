"""LangGraph's `langgraph.cache`. Caching is not built yet."""
