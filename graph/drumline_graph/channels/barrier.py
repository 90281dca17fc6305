"""Channels of list edges: `add_edge(["a", "b"], "c")` waits until a and b have both run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drumline_graph.channels.base import MISSING, UNCHANGED, Channel
from drumline_graph.errors import InvalidUpdateError


class Barrier(Channel):
    """What both kinds of list edges share."""

    plain = False
    consumable = True

    def __init__(self, typ: Any, names: Iterable[str]) -> None:
        self.typ = typ
        self.names = frozenset(names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.names == other.names

    def __hash__(self) -> int:
        return hash((self.kind, self.names))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self.names)!r})"

    def signature(self) -> tuple[Any, ...]:
        return (self.kind, tuple(sorted(self.names)))

    def read(self, cell: Any) -> Any:  # noqa: ARG002
        return None

    def missing(self, cell: Any) -> list[str]:
        """Sources that a join waits for, sorted; none for one that waits for all, or has fired."""
        seen = self.seen(cell)
        return sorted(self.names.difference(seen)) if seen else []

    def seen(self, cell: Any) -> tuple[str, ...]:
        """Sources that have run since the join fired last."""
        return () if cell is MISSING else cell

    def _joined(self, seen: tuple[str, ...], values: list[Any]) -> tuple[str, ...] | None:
        """Names seen with `values` added, sorted; None if nothing is new."""
        for value in values:
            if value not in self.names:
                raise InvalidUpdateError(f"The join waits for {sorted(self.names)} and cannot take {value!r}.")
        if self.names.issubset(seen) or set(values).issubset(seen):
            return None
        return tuple(sorted({*seen, *values}))


class NamedBarrierValue(Barrier):
    """Available once every name was written; reset when its node has run.

    Cell: sorted tuple of the names seen so far.
    """

    kind = "barrier"

    def update(self, cell: Any, values: list[Any]) -> Any:
        joined = self._joined(() if cell is MISSING else cell, values)
        return UNCHANGED if joined is None else joined

    def consume(self, cell: Any) -> Any:
        return MISSING if self.available(cell) else cell

    def available(self, cell: Any) -> bool:
        return cell is not MISSING and len(cell) == len(self.names)


class NamedBarrierValueAfterFinish(Barrier):
    """The same for a deferred node: held back until nothing else would run.

    Cell: `(sorted tuple of names, finished)`.
    """

    kind = "barrier_after_finish"
    finishing = True

    def seen(self, cell: Any) -> tuple[str, ...]:
        return () if cell is MISSING else cell[0]

    def update(self, cell: Any, values: list[Any]) -> Any:
        seen, finished = ((), False) if cell is MISSING else cell
        joined = self._joined(seen, values)
        return UNCHANGED if joined is None else (joined, finished)

    def consume(self, cell: Any) -> Any:
        return MISSING if self.available(cell) else cell

    def finish(self, cell: Any) -> Any:
        if cell is MISSING or cell[1] or len(cell[0]) != len(self.names):
            return cell
        return (cell[0], True)

    def available(self, cell: Any) -> bool:
        return cell is not MISSING and bool(cell[1]) and len(cell[0]) == len(self.names)
