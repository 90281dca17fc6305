"""A merge that was made to show a router its state, kept for the commit, which would make the same again.

In a long talk most of a step is the merge of its messages, and a node with a router needs it twice. The router gets a
list of its own, so it cannot change what is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

from drumline_graph.channels.base import MISSING, Channel
from drumline_graph.channels.binop import BinaryOperatorAggregate


class Merges:
    """The last merge of each channel of one `State`, until that goes on.

    Only merges are kept that append the very objects that were written to a list: to make them again would give the
    same. Threads may use it at once.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any, list[Any]]] = {}

    def keep(self, name: str, channel: Channel, cell: Any, values: Sequence[Any], merged: Any) -> Any:
        """Keep a merge of `values` into `cell`, if it is such a one. Gives what a router may be shown of `merged`."""
        if len(values) != 1 or type(channel) is not BinaryOperatorAggregate or not channel.keeps_items:
            return merged
        if type(merged) is not list or not _is_appended(merged, cell, values[0]):
            return merged
        self._kept[name] = (cell, values[0], merged)
        return list(merged)

    def find(self, name: str, cell: Any, values: Sequence[Any]) -> Any:
        """The merge of `values` into `cell`, MISSING if it was not kept."""
        kept = self._kept.get(name)
        if kept is None or kept[0] is not cell or len(values) != 1 or kept[1] is not values[0]:
            return MISSING
        return kept[2] if _is_appended(kept[2], cell, values[0]) else MISSING  # nodes may fill what they have returned

    def clear(self) -> None:
        """Keep nothing more."""
        self._kept.clear()


def _is_appended(merged: list[Any], cell: Any, value: Any) -> bool:
    """Whether a list is as long as `cell` with the very items of `value` behind it."""
    items = value if type(value) is list else [value]
    before = 0 if cell is MISSING else len(cell)
    return len(merged) == before + len(items) and all(map(is_, merged[before:], items))
