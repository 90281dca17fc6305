"""Building graphs (LangGraph's `langgraph.graph`)."""

from drumline.graph.message import MessagesState, add_messages
from drumline.graph.state import CompiledStateGraph, StateGraph
from drumline_graph.constants import END, START

__all__ = ["END", "START", "CompiledStateGraph", "MessagesState", "StateGraph", "add_messages"]
