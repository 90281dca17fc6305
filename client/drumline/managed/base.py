"""LangGraph's `langgraph.managed.base`."""

from typing import Any

from drumline_graph.managed import ManagedValue

ManagedValueSpec = type[ManagedValue]
"""What a schema's annotation holds for a managed key."""

ManagedValueMapping = dict[str, ManagedValueSpec]
"""Managed keys of a graph."""

__all__ = ["ManagedValue", "ManagedValueMapping", "ManagedValueSpec", "is_managed_value"]


def is_managed_value(value: Any) -> bool:
    """Whether an item of `Annotated[T, ...]` makes its key a managed one."""
    return isinstance(value, type) and issubclass(value, ManagedValue)
