"""LangGraph's `langgraph.pregel.protocol`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "LangGraph's protocol of engines",
    "PregelProtocol",
    "StreamProtocol",
    advice="Annotate with drumline.graph.state.CompiledStateGraph.",
)
