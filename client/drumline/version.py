"""LangGraph's `langgraph.version`: the version of drumline."""

from drumline._version import __version__

__all__ = ["__version__"]
