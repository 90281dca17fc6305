"""LangGraph's `langgraph.checkpoint.serde`."""
