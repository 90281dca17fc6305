"""Positions in a run's stream: opaque text for users, a fact number and a count of items for us. Pure."""

from __future__ import annotations

from typing import NamedTuple

from drumline_protocol.errors import InvalidPosition


class Position(NamedTuple):
    """`items` items of the fact that ends at number `fact` were yielded, and everything before it."""

    fact: int
    items: int

    def __str__(self) -> str:
        return f"{self.fact}.{self.items}"


#: before everything
BEGINNING = Position(0, 0)


def parse_position(text: str | None) -> Position:
    """The position that `str(position)` gave. None is the beginning. InvalidPosition for anything else."""
    if text is None:
        return BEGINNING
    fact, dot, items = str(text).partition(".")
    if dot and fact.isdecimal() and items.isdecimal():
        return Position(int(fact), int(items))
    raise InvalidPosition(str(text), "it is not a position that a stream gave out")
