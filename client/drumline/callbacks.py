"""LangGraph's `langgraph.callbacks`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Callbacks of a graph's life",
    "GraphCallbackHandler",
    "GraphInterruptEvent",
    "GraphLifecycleEvent",
    "GraphLifecycleStatus",
    "GraphResumeEvent",
    "get_async_graph_callback_manager_for_config",
    "get_sync_graph_callback_manager_for_config",
    advice='Read stream_mode="tasks", or give LangChain handlers as config["callbacks"].',
)
