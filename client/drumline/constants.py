"""Names with a meaning of their own (LangGraph's `langgraph.constants`)."""

from drumline_graph.constants import END, START, TAG_HIDDEN, TAG_NOSTREAM

__all__ = ["END", "START", "TAG_HIDDEN", "TAG_NOSTREAM"]
