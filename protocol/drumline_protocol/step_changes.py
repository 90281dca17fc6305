"""The changes of a superstep as they stand in its fact, made ready to be folded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_graph.delta import SET, Change
from drumline_graph.written import Written, expand
from drumline_protocol.codec import Boxed


def decoded_changes(changes: Mapping[str, Any], written: Written) -> Mapping[str, Change]:
    """The changes with values in the places of references to writes, and of values that are still encoded.

    `written` gives what the step's tasks wrote to a channel, in the order of their paths. DecodeError, IndexError.
    """
    expanded = expand(changes, written)
    if not any(change[0] == SET and type(change[1]) is Boxed for change in expanded.values()):
        return expanded
    return {
        channel: (SET, change[1].value) if change[0] == SET and type(change[1]) is Boxed else change
        for channel, change in expanded.items()
    }
