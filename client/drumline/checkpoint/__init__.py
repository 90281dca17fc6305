"""LangGraph's `langgraph.checkpoint`: what persistence is made of. None of it is built yet."""
