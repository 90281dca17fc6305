"""Cells of a thread, read by who reads the same thread again and again: what was seen of them is not read twice.

Pure but for the reader that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from drumline_protocol.cells import CellAt, CellRow, assemble
from drumline_protocol.codec import Codec
from drumline_protocol.errors import CellMissing
from drumline_protocol.pristine import NotPlain
from drumline_protocol.seen_cells import Seen, seen_at

if TYPE_CHECKING:
    from drumline_protocol.seen_cells import Store

#: reads cells and blobs, as `read_values` of a broker does for one partition
ReadValues = Callable[[list[tuple[str, str, int, int]], list[str]], tuple[list[list[CellRow]], list[bytes | None]]]


class CellReader:
    """Reads cells with one read for all of them.

    `seen` is what was seen before; `place` tells who may use it: nobody else gives out numbers of versions there. None:
    nothing is kept.
    """

    def __init__(
        self, codec: Codec, read: ReadValues, seen: Store | None = None, place: tuple[Hashable, ...] = ()
    ) -> None:
        self._codec = codec
        self._read = read
        self._seen = seen
        self._place = (codec, *place)

    def values(self, owner: str, wanted: Sequence[CellAt], blobs: list[str]) -> tuple[list[Any], list[bytes | None]]:
        """The values of these versions (MISSING for a cell that holds nothing), and the data of blobs.

        The values belong to the caller. CellMissing, DecodeError, and whatever reading raises.
        """
        known = [None if self._seen is None else self._seen.get((*self._place, owner, at.cell), at) for at in wanted]
        lacking = [
            i
            for i, (at, seen) in enumerate(zip(wanted, known, strict=True))
            if seen is None or seen.version < at.version
        ]
        rows, data = self._rows(owner, wanted, known, lacking, blobs)
        return [
            self._value(owner, at, seen, rows.get(i, ()))
            for i, (at, seen) in enumerate(zip(wanted, known, strict=True))
        ], data

    def _rows(
        self,
        owner: str,
        wanted: Sequence[CellAt],
        known: Sequence[Seen | None],
        lacking: Sequence[int],
        blobs: list[str],
    ) -> tuple[dict[int, Sequence[CellRow]], list[bytes | None]]:
        if not (lacking or blobs):
            return {}, []
        asked = []
        for i in lacking:
            at, seen = wanted[i], known[i]
            asked.append((owner, at.cell, at.base - 1 if seen is None else seen.version, at.version))
        found, data = self._read(asked, blobs)
        return dict(zip(lacking, found, strict=True)), data

    def _value(self, owner: str, at: CellAt, seen: Seen | None, rows: Sequence[CellRow]) -> Any:
        if self._seen is None:
            return assemble(self._codec, rows, at.version)
        weight_max = self._seen.bytes_max // 2
        try:
            new, value = seen_at(self._codec, seen, rows, at, weight_max)
        except (CellMissing, NotPlain):
            if seen is None:
                raise
            # what was seen is of another branch, or cannot be cloned any more
            [rows], _ = self._read([(owner, at.cell, at.base - 1, at.version)], [])
            new, value = seen_at(self._codec, None, rows, at, weight_max)
        self._seen.put((*self._place, owner, at.cell), new)
        return value
