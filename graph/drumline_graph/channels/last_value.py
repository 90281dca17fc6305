"""Channels that keep the last value written, and differ in how long and from how many writers."""

from __future__ import annotations

from typing import Any

from drumline_graph.channels.base import MISSING, Channel
from drumline_graph.errors import ErrorCode, InvalidUpdateError, coded


def _single(values: list[Any], what: str) -> Any:
    if len(values) == 1:
        return values[0]
    raise InvalidUpdateError(
        coded(
            f"Can receive only one value per step, got {len(values)}. {what}",
            ErrorCode.INVALID_CONCURRENT_GRAPH_UPDATE,
        )
    )


class _Typed(Channel):
    """A channel declared with a type; `key` is taken for LangGraph's signature and not used."""

    def __init__(self, typ: Any, key: str = "") -> None:
        self.typ = typ
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self))

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.typ!r})"


class LastValue(_Typed):
    """Default of a state key: one writer per superstep, value kept until the next write."""

    kind = "last_value"

    def update(self, cell: Any, values: list[Any]) -> Any:  # noqa: ARG002
        if len(values) == 1:
            return values[0]
        return _single(
            values,
            "Give the key a reducer to merge several writes, for example Annotated[list, operator.add].",
        )


class AnyValue(_Typed):
    """Several writers that are trusted to write the same; a superstep without writes clears it."""

    kind = "any_value"
    volatile = True

    def update(self, cell: Any, values: list[Any]) -> Any:  # noqa: ARG002
        return values[-1]

    def expire(self, cell: Any) -> Any:  # noqa: ARG002
        return MISSING


class LastValueAfterFinish(_Typed):
    """Edge into a deferred node: holds its value back until nothing else would run.

    Cell: `(value, finished)`.
    """

    kind = "last_value_after_finish"
    consumable = True
    finishing = True
    plain = False

    def update(self, cell: Any, values: list[Any]) -> Any:  # noqa: ARG002
        return (values[-1], False)

    def consume(self, cell: Any) -> Any:
        return MISSING if cell is not MISSING and cell[1] else cell

    def finish(self, cell: Any) -> Any:
        return cell if cell is MISSING or cell[1] else (cell[0], True)

    def available(self, cell: Any) -> bool:
        return cell is not MISSING and bool(cell[1])

    def read(self, cell: Any) -> Any:
        return cell[0]


class _Guarded(Channel):
    """Keeps the last value; with `guard` (the default) more than one write per superstep is an error."""

    def __init__(self, typ: Any, guard: bool = True) -> None:
        self.typ = typ
        self.guard = guard

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.guard == other.guard

    def __hash__(self) -> int:
        return hash((self.kind, self.guard))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.typ!r}, guard={self.guard})"

    def update(self, cell: Any, values: list[Any]) -> Any:  # noqa: ARG002
        if len(values) == 1 or not self.guard:
            return values[-1]
        return _single(values, "Pass guard=False to keep the last of several writes.")

    def signature(self) -> tuple[Any, ...]:
        return (self.kind, self.guard)


class EphemeralValue(_Guarded):
    """Visible for exactly one superstep: the one after the write."""

    kind = "ephemeral"
    volatile = True

    def expire(self, cell: Any) -> Any:  # noqa: ARG002
        return MISSING


class UntrackedValue(_Guarded):
    """Kept during a run like an ordinary key, but never stored: missing after a resume."""

    kind = "untracked"
