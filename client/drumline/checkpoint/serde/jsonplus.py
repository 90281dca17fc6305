"""LangGraph's `langgraph.checkpoint.serde.jsonplus`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "Persistence",
    "JsonPlusSerializer",
    "InvalidModuleError",
    advice="drumline.types.register(cls) teaches the wire a class.",
)
