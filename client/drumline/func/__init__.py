"""LangGraph's `langgraph.func`: the functional API, which drumline runs through its adapter only."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "The functional API",
    "entrypoint",
    "task",
    advice="Write it with langgraph.func and run it with drumline.langgraph.adapt(entrypoint).",
)
