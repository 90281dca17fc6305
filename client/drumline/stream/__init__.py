"""LangGraph's `langgraph.stream`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Streams of protocol events (stream_events)",
    "AsyncGraphRunStream",
    "AsyncSubgraphRunStream",
    "CheckpointsTransformer",
    "CustomTransformer",
    "DebugTransformer",
    "GraphRunStream",
    "LifecyclePayload",
    "LifecycleTransformer",
    "ProtocolEvent",
    "StreamChannel",
    "StreamTransformer",
    "SubgraphRunStream",
    "SubgraphStatus",
    "SubgraphTransformer",
    "TasksTransformer",
    "UpdatesTransformer",
    advice='Use stream(..., version="v2").',
)
