"""LangGraph's `langgraph.store`. Stores are not built yet."""
