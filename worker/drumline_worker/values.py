"""The large values that a task message names: found in the cache, or read, all that is lacking in one trip."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drumline_graph.errors import DrumlineError
from drumline_protocol.cells import CellAt, CellRow
from drumline_protocol.codec import Codec
from drumline_protocol.errors import CellMissing
from drumline_protocol.keys import owner_of_run
from drumline_protocol.limits import CACHE_BYTES_MAX
from drumline_protocol.messages import RunShared, TaskMessage
from drumline_protocol.named import Named, names_in, resolve
from drumline_transport.broker import CellRead
from drumline_worker.cache import DECODED_WEIGHT, Cache, Seen, seen_at
from drumline_worker.pristine import NotPlain

#: `LookVerbs.read_values`
Read = Callable[[int, list[CellRead], list[str]], tuple[list[list[CellRow]], list[bytes | None]]]

#: a blob is a cell of one version
_BLOB = CellAt("", 1, 1)


@dataclass(slots=True)
class Inputs:
    """What a task message carries for its node, with all values in their places."""

    cells: dict[str, Any]
    arg: Any
    writes: Any


@dataclass(slots=True)
class _Wanted:
    """One value that a message names."""

    name: Hashable
    at: CellAt
    seen: Seen | None
    blob: str = ""
    is_plain: bool = True
    value: Any = None

    @property
    def lacks(self) -> bool:
        return self.seen is None or self.seen.version < self.at.version

    def read(self, owner: str) -> CellRead:
        after = self.at.base - 1 if self.seen is None else self.seen.version
        return owner, self.at.cell, after, self.at.version


class Values:
    """Puts values in the place of their names. Shared by the threads of a worker; no lock is held while it reads."""

    def __init__(self, read: Read, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._read = read
        self.cache = Cache(bytes_max)
        self._clone_bytes_max = bytes_max // (2 * DECODED_WEIGHT)

    def inputs(self, codec: Codec, shared: RunShared, message: TaskMessage) -> Inputs:
        """The values of a task, which belong to it alone.

        CellMissing for a version that cannot be put together: the message is older than what is kept. DrumlineError for
        a blob that is gone. Whatever the broker raises passes through.
        """
        cells, arg, writes = message.cells, message.arg, message.writes
        names = [cell for cell in cells.values() if type(cell) is Named]
        if type(arg) is Named:
            names.append(arg)
        if writes:
            names += names_in(writes)
        if not (names or message.named or message.blobs):
            return Inputs(dict(cells), arg, writes)
        place, owner = (shared.partition, shared.graph), owner_of_run(shared.run_id, shared.thread)
        versions = {channel: self._wanted((*place, owner, at[0]), CellAt(*at)) for channel, at in message.named.items()}
        blobs = {name.blob: self._wanted((*place, name.blob), _BLOB, name.blob) for name in names}
        for blob in message.blobs.values():
            blobs[blob] = self._wanted((*place, blob), _BLOB, blob)
        self._fill(codec, shared, [*versions.values(), *blobs.values()])
        values = {blob: wanted.value for blob, wanted in blobs.items()}
        found = {channel: _resolved(cell, values) for channel, cell in cells.items()}
        found.update((channel, wanted.value) for channel, wanted in versions.items())
        found.update((channel, values[blob]) for channel, blob in message.blobs.items())
        return Inputs(found, _resolved(arg, values), resolve(writes, values) if writes else writes)

    def _wanted(self, name: Hashable, at: CellAt, blob: str = "") -> _Wanted:
        seen = self.cache.get(name)
        return _Wanted(name, at, seen if seen is not None and seen.serves(at) else None, blob)

    def _fill(self, codec: Codec, shared: RunShared, wanted: Sequence[_Wanted]) -> None:
        """Find the value of each."""
        lacking = [each for each in wanted if each.lacks]
        rows = self._rows(shared, lacking) if lacking else {}
        again = []
        for each in wanted:
            try:
                self._settle(codec, each, rows.get(each.name, ()))
            except (CellMissing, NotPlain) as error:
                if each.seen is None:
                    raise
                # What was seen is of another branch, or the bytes of the whole value are needed.
                each.seen, each.is_plain = None, type(error) is not NotPlain
                again.append(each)
        if again:
            rows = self._rows(shared, again)
            for each in again:
                self._settle(codec, each, rows[each.name])

    def _settle(self, codec: Codec, each: _Wanted, rows: Sequence[CellRow]) -> None:
        seen, each.value = seen_at(codec, each.seen, rows, each.at, self._clone_bytes_max)
        if not each.is_plain:
            seen = replace(seen, is_plain=False)
        self.cache.put(each.name, seen)

    def _rows(self, shared: RunShared, wanted: Sequence[_Wanted]) -> dict[Hashable, Sequence[CellRow]]:
        """Read what these lack."""
        cells = [each for each in wanted if not each.blob]
        blobs = [each for each in wanted if each.blob]
        owner = owner_of_run(shared.run_id, shared.thread)
        found, data = self._read(shared.partition, [each.read(owner) for each in cells], [each.blob for each in blobs])
        rows: dict[Hashable, Sequence[CellRow]] = {
            each.name: found_rows for each, found_rows in zip(cells, found, strict=True)
        }
        for each, value in zip(blobs, data, strict=True):
            if value is None:
                raise _gone(each.blob)
            rows[each.name] = (CellRow(1, 0, value),)
        return rows


def _resolved(value: Any, values: dict[str, Any]) -> Any:
    return values[value.blob] if type(value) is Named else value


def _gone(blob: str) -> DrumlineError:
    return DrumlineError(
        f"a large value that the task needs is gone from the broker (blob {blob}): the run is over, or its keys were "
        "deleted by hand"
    )
