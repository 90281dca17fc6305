"""Type variables of graphs (LangGraph's `langgraph.typing`)."""

from typing_extensions import TypeVar

from drumline_graph.builder import ContextT, InputT, OutputT, StateT

__all__ = ["ContextT", "InputT", "OutputT", "StateT", "StateT_co", "StateT_contra"]

StateT_co = TypeVar("StateT_co", covariant=True)
StateT_contra = TypeVar("StateT_contra", contravariant=True)
