"""Cells: the values of channels as the cell store keeps them, version by version. Pure.

A channel's value in one graph of one run is a cell. Each commit that changes it makes a new version, with a number from
one counter of the run. A version is kept as one row: a *base*, which holds the whole value, or a *delta*, which holds
what changed since the version that it names as its parent (`Change` of `drumline_graph.delta`). So a value is read as
its base and the deltas of its own branch behind that; rows of other branches may lie between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from drumline_graph.delta import APPEND, PARTS, PUT, UNITE, Change, is_change, patch
from drumline_protocol.codec_derived import CellAt
from drumline_protocol.errors import CellMissing, DecodeError

if TYPE_CHECKING:
    from drumline_protocol.codec import Codec

__all__ = [
    "NO_PARENT",
    "CellAt",
    "CellRow",
    "assemble",
    "branch_of",
    "cell_name",
    "decode_change",
    "encode_change",
    "joined",
    "patched",
]

#: the parent of a row that is a base
NO_PARENT = 0


class CellRow(NamedTuple):
    """One version of a cell as it is stored. `parent` is `NO_PARENT` for a base, whose `data` is the encoded value;
    else `data` is the encoded change from the parent.
    """

    version: int
    parent: int
    data: bytes

    @property
    def is_base(self) -> bool:
        """Whether the row holds the whole value."""
        return self.parent == NO_PARENT


def cell_name(ns: Iterable[str], channel: str) -> str:
    """The name of the cell of `channel` in the graph at `ns`, within the run that owns it."""
    return f"{'|'.join(ns)}:{channel}"


def encode_change(codec: Codec, change: Change) -> bytes:
    """The data of a delta row. EncodeError for a value that the codec does not take."""
    return codec.encode(list(change))


def decode_change(codec: Codec, data: bytes) -> Change:
    """The change that a delta row holds. DecodeError if it is none, or of a kind that is not known here."""
    change = codec.decode(data)
    kind = change[0] if type(change) is list and change else None
    if type(kind) is not str or kind not in PARTS or not is_change(change):
        raise DecodeError("the delta of a cell is no change of a value", len(data))
    return tuple(change)


def branch_of(rows: Sequence[CellRow], version: int, known: int = NO_PARENT) -> list[CellRow]:
    """The rows that make up `version`, oldest first: from its base, or from behind the version `known` if its branch
    comes by that. CellMissing if one of them is not among `rows`.
    """
    found = {row.version: row for row in rows}
    branch: list[CellRow] = []
    at = version
    while True:
        row = found.get(at)
        if row is None or not row.parent < at:
            raise CellMissing(version, at)
        branch.append(row)
        if row.is_base or row.parent == known:
            branch.reverse()
            return branch
        at = row.parent


def assemble(codec: Codec, rows: Sequence[CellRow], version: int) -> Any:
    """The value of a cell at `version`, out of `rows`, which may hold other branches too. MISSING if it holds nothing.

    CellMissing if the base or a delta of its branch is not among them, DecodeError if one is damaged.
    """
    base, *deltas = branch_of(rows, version)
    return patched(codec.decode(base.data), [decode_change(codec, row.data) for row in deltas])


def patched(value: Any, changes: Sequence[Change]) -> Any:
    """`value` after `changes`, in order; never changes `value` in place. DecodeError for a change that does not fit it.

    Changes that follow each other and only append, only put or only unite are made as one: a long branch costs what it
    adds.
    """
    try:
        for change in joined(changes):
            value = patch(value, change)
    except (TypeError, ValueError, IndexError, AttributeError, KeyError) as error:
        raise DecodeError(f"a delta does not fit the value that it changes: {error}") from error
    return value


def joined(changes: Sequence[Change]) -> Iterable[Change]:
    """The same changes, those that follow each other and only append, only put or only unite as one."""
    start = 0
    while start < len(changes):
        kind = changes[start][0]
        end = start + 1
        while kind in (APPEND, PUT, UNITE) and end < len(changes) and changes[end][0] == kind:
            end += 1
        parts = [change[1] for change in changes[start:end]] if end > start + 1 else []
        start = end
        if not parts:
            yield changes[end - 1]
        elif kind == PUT:
            yield PUT, dict(chain.from_iterable(part.items() for part in parts))
        else:
            yield kind, "".join(parts) if type(parts[0]) is str else [*chain.from_iterable(parts)]
