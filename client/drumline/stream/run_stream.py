"""LangGraph's `langgraph.stream.run_stream`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Streams of protocol events (stream_events)",
    "AsyncGraphRunStream",
    "AsyncSubgraphRunStream",
    "GraphRunStream",
    "SubgraphRunStream",
    advice='Use stream(..., version="v2").',
)
