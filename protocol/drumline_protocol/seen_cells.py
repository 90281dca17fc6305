"""What was seen of large values, and how one gets a value of one's own from that. Pure.

Of a value that was read once the bytes are kept; from the second time on, or when it grows, the decoded value, of which
each reader gets a clone (`pristine`). Values that cannot be cloned are decoded from their bytes for each reader.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from drumline_protocol.cells import CellAt, CellRow, assemble, branch_of, decode_change
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError
from drumline_protocol.pristine import NotPlain, Pristine

#: what the place of a value costs beside it
_PLACE_BYTES = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """A value at one version: its rows, from the base on, or its decoded form. `size` is what its rows take in bytes.

    `is_plain` is False for a value that is known not to be cloned.
    """

    version: int
    size: int
    rows: tuple[CellRow, ...] = ()
    pristine: Pristine | None = None
    is_plain: bool = True
    #: the version before, of which this one was made, and with which it shares its parts: a Send may name that
    former: Seen | None = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _PLACE_BYTES + (self.size if self.pristine is None else self.pristine.weight(self.size))

    def serves(self, at: CellAt) -> bool:
        """Whether the rows behind this version may be enough for that one."""
        return at.base <= self.version <= at.version


class Store(Protocol):
    """Keeps what was seen, by name (`drumline_transport.cell_cache.Cache`)."""

    bytes_max: int

    def get(self, name: Hashable, at: CellAt | None = None) -> Seen | None:
        """What was seen under a name, if it may be of use for that version."""
        ...

    def put(self, name: Hashable, seen: Seen) -> None:
        """Keep what was seen."""
        ...


def seen_at(codec: Codec, seen: Seen | None, rows: Sequence[CellRow], at: CellAt, weight_max: int) -> tuple[Seen, Any]:
    """The value at a version, for one task alone, and what to keep of it.

    `seen` is what is known of the cell, if that `serves`, and `rows` those behind it; else `rows` begin at the base. A
    value that weighs more than `weight_max` is kept as bytes: decoded it would push out all else.
    CellMissing if a row is not there, or if `seen` is of another branch; NotPlain if the bytes of `seen` are needed and
    are not there: read all from the base then, and say None for `seen`.
    """
    if seen is None:
        branch = branch_of(rows, at.version)
        return Seen(at.version, _size(branch), tuple(branch)), assemble(codec, branch, at.version)
    if seen.version == at.version:
        behind: list[CellRow] = []
    else:
        behind = branch_of(rows, at.version, known=seen.version)
    if behind and behind[0].is_base:
        new = Seen(at.version, _size(behind), tuple(behind), is_plain=seen.is_plain)
        return _settled(codec, new, weight_max)
    size = seen.size + _size(behind)
    if seen.pristine is None:
        new = Seen(at.version, size, (*seen.rows, *behind), is_plain=seen.is_plain)
        return _settled(codec, new, weight_max)
    pristine = seen.pristine
    if behind:
        try:
            pristine = pristine.after([decode_change(codec, row.data) for row in behind])
        except (TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
            raise DecodeError(f"a delta does not fit the value that it changes: {error}") from error
        seen = Seen(at.version, size, pristine=pristine, former=replace(seen, former=None))
    return seen, pristine.clone()


def _settled(codec: Codec, seen: Seen, weight_max: int) -> tuple[Seen, Any]:
    """A value that was there before: decoded, and from now on kept so if it can be cloned."""
    value = assemble(codec, seen.rows, seen.version)
    if not seen.is_plain or seen.weight > weight_max:
        return seen, value
    try:
        cloned = Seen(seen.version, seen.size, pristine=Pristine(value))
    except NotPlain:
        return replace(seen, is_plain=False), value
    if cloned.weight > weight_max or cloned.pristine is None:
        return replace(seen, is_plain=False), value
    return cloned, cloned.pristine.clone()


def _size(rows: Sequence[CellRow]) -> int:
    return sum(len(row.data) for row in rows)
