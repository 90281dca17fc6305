"""Savers: what keeps the threads of graphs that run in this process (LangGraph's `langgraph.checkpoint`)."""
