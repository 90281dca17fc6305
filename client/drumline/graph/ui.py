"""LangGraph's `langgraph.graph.ui`."""

from drumline._unbuilt import unbuilt

__getattr__ = unbuilt(
    __name__,
    "UI messages",
    "UIMessage",
    "RemoveUIMessage",
    "AnyUIMessage",
    "push_ui_message",
    "delete_ui_message",
    "ui_message_reducer",
    advice="Give what the page is to show to the stream writer.",
)
