"""Names with a meaning of their own (LangGraph's `langgraph.constants`)."""

from drumline._unbuilt import unbuilt
from drumline_graph.constants import END, START, TAG_HIDDEN, TAG_NOSTREAM, TASKS

CONF = "configurable"
"""Key of a config under which its `configurable` part lies."""

__all__ = ["CONF", "END", "START", "TAG_HIDDEN", "TAG_NOSTREAM", "TASKS"]

__getattr__ = unbuilt(__name__, "Persistence", "CONFIG_KEY_CHECKPOINTER")
