"""Channel specs, under the class names of `langgraph.channels`. They hold no values: see `base`."""

from drumline_graph.channels.barrier import NamedBarrierValue, NamedBarrierValueAfterFinish
from drumline_graph.channels.base import MISSING, UNCHANGED, Channel
from drumline_graph.channels.binop import BinaryOperatorAggregate, DeltaChannel
from drumline_graph.channels.last_value import (
    AnyValue,
    EphemeralValue,
    LastValue,
    LastValueAfterFinish,
    UntrackedValue,
)
from drumline_graph.channels.topic import Topic

BaseChannel = Channel
"""LangGraph's name for the base class."""

__all__ = [
    "MISSING",
    "UNCHANGED",
    "AnyValue",
    "BaseChannel",
    "BinaryOperatorAggregate",
    "Channel",
    "DeltaChannel",
    "EphemeralValue",
    "LastValue",
    "LastValueAfterFinish",
    "NamedBarrierValue",
    "NamedBarrierValueAfterFinish",
    "Topic",
    "UntrackedValue",
]
