"""LangGraph's `langgraph.stream.stream_channel`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Streams of protocol events (stream_events)",
    "StreamChannel",
    "T",
    advice='Use stream(..., version="v2").',
)
