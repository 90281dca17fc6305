"""LangGraph's `langgraph.store.base.batch`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(__name__, "Stores", "AsyncBatchedBaseStore", "F")
