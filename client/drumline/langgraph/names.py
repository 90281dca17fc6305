"""Names of nodes that are members of an `Enum`: LangGraph takes them, and text is all that can cross a wire."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from drumline_graph.callables import plain_name
from drumline_graph.constants import BRANCH_PREFIX, JOIN_PREFIX


def plain_channels(names: Iterable[Any]) -> dict[str, str]:
    """LangGraph's channels of edges to the nodes whose names are members -> the channels as we name them.

    LangGraph writes the member into the channel's name as its class formats it, which differs between classes and
    versions of Python.
    """
    return {f"{BRANCH_PREFIX}{name}": f"{BRANCH_PREFIX}{plain_name(name)}" for name in names if isinstance(name, Enum)}


def plain_write(channels: dict[str, str], channel: str, value: Any) -> tuple[str, Any]:
    """A write with the names of `plain_channels`. The value that a join is written is a node's name too."""
    return channels.get(channel, channel), plain_name(value) if channel.startswith(JOIN_PREFIX) else value
