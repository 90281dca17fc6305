"""LangGraph's `langgraph.checkpoint.base`."""

from drumline._unbuilt import unbuilt
from drumline_graph.errors import EmptyChannelError

__all__ = ["EmptyChannelError"]

__getattr__ = unbuilt(
    __name__,
    "Persistence",
    "CheckpointMetadata",
    "Checkpoint",
    "copy_checkpoint",
    "CheckpointTuple",
    "DeltaChannelHistory",
    "BaseCheckpointSaver",
    "get_checkpoint_id",
    "get_checkpoint_metadata",
    "get_serializable_checkpoint_metadata",
    "empty_checkpoint",
    "create_checkpoint",
    "writes_sort_key",
    "V",
)
