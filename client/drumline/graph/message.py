"""Messages in the state (LangGraph's `langgraph.graph.message`)."""

from drumline_graph.message import REMOVE_ALL_MESSAGES, MessagesState, add_messages

__all__ = ["REMOVE_ALL_MESSAGES", "MessagesState", "add_messages"]
