"""LangGraph's `langgraph.utils.runnable`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "LangGraph's wrapper of functions",
    "RunnableCallable",
    "RunnableLike",
    advice="Give add_node() the function itself, or langchain_core.runnables.RunnableLambda.",
)
