"""LangGraph's `langgraph.stream.transformers`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Streams of protocol events (stream_events)",
    "CheckpointsTransformer",
    "CustomTransformer",
    "DebugTransformer",
    "LifecyclePayload",
    "LifecycleTransformer",
    "MessagesTransformer",
    "SubgraphTransformer",
    "TasksTransformer",
    "UpdatesTransformer",
    "ValuesTransformer",
    advice='Use stream(..., version="v2").',
)
