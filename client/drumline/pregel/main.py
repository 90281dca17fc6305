"""LangGraph's `langgraph.pregel.main`."""

from drumline._unbuilt import ADAPT, unbuilt

__getattr__ = unbuilt(__name__, "Building a Pregel by hand", "Pregel", "NodeBuilder", advice=ADAPT)
