"""LangGraph's `langgraph.utils`: former homes of names that moved."""
