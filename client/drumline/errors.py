"""Errors (LangGraph's `langgraph.errors`, and drumline's own)."""

from drumline_graph import errors as _graph
from drumline_graph.errors import *  # noqa: F403
from drumline_protocol import errors as _protocol
from drumline_protocol.errors import *  # noqa: F403
