"""Graphs as LangChain's Runnables, where langchain-core is there (docs/langchain.md, decision 0025)."""
