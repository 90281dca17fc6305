"""Messages in the state (LangGraph's `langgraph.graph.message`)."""

from typing import TYPE_CHECKING, Any

from drumline._unbuilt import unbuilt
from drumline_graph.message import REMOVE_ALL_MESSAGES, MessagesState, add_messages

if TYPE_CHECKING:
    from drumline_worker.message_stream import push_message

_missing = unbuilt(
    __name__, "MessageGraph", "MessageGraph", advice="LangGraph gave it up: use StateGraph(MessagesState)."
)

__all__ = ["REMOVE_ALL_MESSAGES", "MessagesState", "add_messages", "push_message"]


def __getattr__(name: str) -> Any:
    if name == "push_message":  # what runs nodes is not needed to build a graph
        from drumline_worker.message_stream import push_message

        return push_message
    return _missing(name)
