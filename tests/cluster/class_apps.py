"""What the processes of `test_classes` serve: graphs whose classes share a name, and errors that hold something."""

from __future__ import annotations

from langgraph.graph import StateGraph as LangStateGraph
from tests.client import class_graphs as made

from drumline import types
from drumline.graph import StateGraph

GRAPHS = {
    "twin_a": made.twin("a", StateGraph),
    "twin_b": made.twin("b", StateGraph),
    "Level": made.named_by(made.Level, StateGraph, types.Send, types.Command),
    "documents": made.documents(StateGraph),
    "failing": made.failing(StateGraph),
    "their_failing": made.failing(LangStateGraph),
    "functional": made.functional,
}
