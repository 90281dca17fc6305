"""Positions in a run's stream: opaque text for users, a fact number and a count of items for us. Pure."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from drumline_protocol.errors import InvalidPosition

#: digits that a fact number or a count of items may have: more than any run has facts
_DIGITS_MAX = 18

#: ends the text of a position behind all items of a fact
_WHOLE = "."


class Position(NamedTuple):
    """`items` items of the fact that ends at number `fact` were yielded, and everything before it.

    `epoch` is that of the log entry which held the fact. After Redis has lost a tail, another fact may stand under the
    same number, in a later epoch. 0: not known. `whole` tells that these are all items of the fact: then nothing that
    stands before its end has to be read to go on.
    """

    fact: int
    items: int
    epoch: int = 0
    whole: bool = False


#: before everything
BEGINNING = Position(0, 0)


def run_tag(run_id: str) -> str:
    """What marks the positions of one run: short, so not secret; it catches mistakes, not forgers."""
    return hashlib.blake2s(run_id.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def position_text(position: Position, tag: str) -> str:
    """The text that users keep."""
    epoch = f"-{position.epoch}" if position.epoch else ""
    end = _WHOLE if position.whole else ""
    return f"{position.fact}.{position.items}.{tag}{epoch}{end}"


def parse_position(text: str | None, run_id: str) -> Position:
    """The position that `position_text` wrote for this run. None is the beginning. InvalidPosition for all else."""
    if text is None:
        return BEGINNING
    fact, items, rest = (*str(text).split(".", 2), "", "")[:3]
    stem = rest.removesuffix(_WHOLE)
    tag, dash, epoch = stem.partition("-")
    if not (_is_number(fact) and _is_number(items) and tag and (_is_number(epoch) or not dash)):
        raise InvalidPosition(str(text), "it is not a position that a stream gave out")
    if tag != run_tag(run_id):
        raise InvalidPosition(str(text), f"a stream of another run gave it out, not one of {run_id!r}")
    return Position(int(fact), int(items), int(epoch or 0), stem != rest)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX
