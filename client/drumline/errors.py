"""Errors (LangGraph's `langgraph.errors`, and drumline's own)."""

from drumline_graph.errors import *  # noqa: F403
from drumline_protocol.errors import *  # noqa: F403
