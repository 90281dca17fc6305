"""Where results of nodes are kept for equal inputs (LangGraph's `langgraph.cache`)."""
