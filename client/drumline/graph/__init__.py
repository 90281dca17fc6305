"""Building graphs (LangGraph's `langgraph.graph`)."""

from drumline._unbuilt import unbuilt
from drumline.graph.message import MessagesState, add_messages
from drumline.graph.state import CompiledStateGraph, StateGraph
from drumline_graph.constants import END, START

__all__ = ["END", "START", "CompiledStateGraph", "MessagesState", "StateGraph", "add_messages"]

__getattr__ = unbuilt(
    __name__, "MessageGraph", "MessageGraph", advice="LangGraph gave it up: use StateGraph(MessagesState)."
)
