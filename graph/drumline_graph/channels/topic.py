"""A channel that collects what is written into a list."""

from __future__ import annotations

from typing import Any

from drumline_graph.channels.base import MISSING, UNCHANGED, Channel


class Topic(Channel):
    """List of everything written in the last superstep, or (`accumulate=True`) in all of them.

    A written list counts as its items, one level deep. Cell: list, MISSING when empty.
    """

    kind = "topic"
    plain = False

    def __init__(self, typ: Any, accumulate: bool = False) -> None:
        self.typ = typ
        self.accumulate = accumulate
        self.volatile = not accumulate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topic) and self.accumulate == other.accumulate

    def __hash__(self) -> int:
        return hash((self.kind, self.accumulate))

    def __repr__(self) -> str:
        return f"Topic({self.typ!r}, accumulate={self.accumulate})"

    def update(self, cell: Any, values: list[Any]) -> Any:
        items: list[Any] = []
        for value in values:
            if isinstance(value, list):
                items.extend(value)
            else:
                items.append(value)
        if not items:
            return UNCHANGED if self.accumulate or cell is MISSING else MISSING
        return [*cell, *items] if self.accumulate and cell is not MISSING else items

    def expire(self, cell: Any) -> Any:
        return cell if self.accumulate else MISSING

    def read(self, cell: Any) -> Any:
        # A copy: readers of a topic may consume their list.
        return list(cell)

    def signature(self) -> tuple[Any, ...]:
        return (self.kind, self.accumulate)
