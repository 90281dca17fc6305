"""What a node may ask for while it runs (LangGraph's `langgraph.config`)."""

from drumline_worker.context import get_config, get_store, get_stream_writer

__all__ = ["get_config", "get_store", "get_stream_writer"]
