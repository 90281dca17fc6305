"""The large values that a task message names: found in the cache, or read, all that is lacking in one trip."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from drumline_graph.delta import Change
from drumline_graph.errors import DrumlineError
from drumline_graph.program import Node
from drumline_protocol.cells import CellAt, CellRow, patched
from drumline_protocol.codec import Codec
from drumline_protocol.codec_derived import Derived, open_derived
from drumline_protocol.errors import CellMissing
from drumline_protocol.keys import owner_of_run
from drumline_protocol.limits import CACHE_BYTES_MAX
from drumline_protocol.messages import RunShared, TaskMessage
from drumline_protocol.named import Named, names_in, names_of, resolve
from drumline_protocol.pristine import NotPlain, Pristine
from drumline_protocol.seen_cells import Seen, seen_at
from drumline_transport.broker import CellRead
from drumline_transport.cell_cache import Cache
from drumline_worker.origins import NO_NODES, Origins

#: `LookVerbs.read_values`
Read = Callable[[int, list[CellRead], list[str]], tuple[list[list[CellRow]], list[bytes | None]]]

#: of so many values clones are made ahead
_AHEAD_MAX = 16
#: a value of fewer parts is cloned in no time
_AHEAD_PARTS_MIN = 32

#: a blob is a cell of one version
_BLOB = CellAt("", 1, 1)


@dataclass(slots=True)
class Inputs:
    """What a task message carries for its node, with all values in their places."""

    cells: dict[str, Any]
    arg: Any
    writes: Any
    #: those of them that were named; None if none was
    origins: Origins | None = None


@dataclass(slots=True, eq=False)
class _Wanted:
    """One value that a message names."""

    name: Hashable
    at: CellAt
    seen: Seen | None
    blob: str = ""
    #: of an argument: nothing brings it back if it is gone
    is_origin: bool = False
    is_plain: bool = True
    value: Any = None
    is_given: bool = False

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
        self._weight_max = bytes_max // 2
        #: what tasks were handed clones of
        self._cloned: deque[Pristine] = deque(maxlen=_AHEAD_MAX)

    def clone_ahead(self) -> None:
        """Make the clones that the next tasks of the same cells get. For a thread that has nothing else to do.

        The next step of a long talk then begins at once, instead of after a copy of all its messages.
        """
        while True:
            try:
                pristine = self._cloned.popleft()
            except IndexError:  # another thread was faster
                return
            with suppress(MemoryError):  # the task that needs the clone will tell
                pristine.clone_ahead()

    def inputs(
        self, codec: Codec, shared: RunShared, message: TaskMessage, nodes: Mapping[str, Node] = NO_NODES
    ) -> Inputs:
        """The values of a task, which belong to it alone. `nodes` are those of its graph.

        CellMissing for a version that cannot be put together: the message is older than what is kept. DrumlineError for
        a blob that is gone, or a version that the argument of a Send is made of. Whatever the broker raises passes
        through.
        """
        cells, arg, writes = message.cells, message.arg, message.writes
        by_blob = {channel: cell for channel, cell in cells.items() if type(cell) is Named}
        names = [*by_blob.values(), *names_of(arg)]
        if writes:
            names += names_in(writes)
        derived = arg if type(arg) is Derived else None
        if not (names or message.named or message.blobs or derived):
            return Inputs(dict(cells), arg, writes)
        place, owner = _place(shared), owner_of_run(shared.run_id, shared.thread)
        versions = {channel: self._wanted((*place, owner, at[0]), CellAt(*at)) for channel, at in message.named.items()}
        made_of: dict[CellAt, _Wanted] = {}
        if derived is not None:
            made_of = {at: self._wanted((*place, owner, at.cell), at) for at in derived.cells}
            for wanted in made_of.values():
                wanted.is_origin = True
        blobs = {name.blob: self._wanted((*place, name.blob), _BLOB, name.blob) for name in names}
        for blob in message.blobs.values():
            blobs[blob] = self._wanted((*place, blob), _BLOB, blob)
        self._fill(codec, shared, [*versions.values(), *made_of.values(), *blobs.values()])
        origins = Origins(codec, nodes)
        for wanted in versions.values():
            origins.add(wanted.at, _settled(wanted), wanted.value)
        for name in (*by_blob.values(), *(names_of(arg) if derived is None else ())):
            origins.add(name, _settled(blobs[name.blob]), blobs[name.blob].value)
        values = {blob: wanted.value for blob, wanted in blobs.items()}
        if derived is not None:
            arg = self._made(codec, derived, made_of, blobs, origins)
        elif type(arg) is Named:
            arg = values[arg.blob]
        found = {channel: _resolved(cell, values) for channel, cell in cells.items()}
        found.update((channel, wanted.value) for channel, wanted in versions.items())
        found.update((channel, values[blob]) for channel, blob in message.blobs.items())
        return Inputs(found, arg, resolve(writes, values) if writes else writes, origins)

    def in_writes(self, codec: Codec, shared: RunShared, writes: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """The writes of another task with values in the place of names. Raises as `inputs` does."""
        names = names_in(writes)
        if not names:
            return writes
        place = _place(shared)
        blobs = {name.blob: self._wanted((*place, name.blob), _BLOB, name.blob) for name in names}
        self._fill(codec, shared, list(blobs.values()))
        return resolve(writes, {blob: wanted.value for blob, wanted in blobs.items()})

    def _made(
        self,
        codec: Codec,
        derived: Derived,
        made_of: dict[CellAt, _Wanted],
        blobs: dict[str, _Wanted],
        origins: Origins,
    ) -> Any:
        """The argument of a Send, made of values that were read; each hole gets one that belongs to it alone."""

        def fill(number: int, change: Change | None) -> Any:
            at = derived.origins[number]
            wanted = blobs[at.blob] if type(at) is Named else made_of[at]
            seen, value = _settled(wanted), wanted.value
            if wanted.is_given:
                _, value = self._seen_at(codec, seen, (), wanted.at)
            wanted.is_given = True
            if change is not None:
                value = patched(value, [change])
            origins.add(at, seen, value)
            return value

        box = derived.box
        return open_derived(replace(derived, box=blobs[box.blob].value) if type(box) is Named else derived, fill)

    def _wanted(self, name: Hashable, at: CellAt, blob: str = "") -> _Wanted:
        return _Wanted(name, at, self.cache.get(name, at), blob)

    def _fill(self, codec: Codec, shared: RunShared, wanted: Sequence[_Wanted]) -> None:
        """Find the value of each."""
        lacking = [each for each in wanted if each.lacks]
        rows = self._rows(shared, lacking) if lacking else {}
        again = []
        for each in wanted:
            try:
                self._settle(codec, each, rows.get(each, ()))
            except (CellMissing, NotPlain) as error:
                if each.seen is None:
                    raise _missing(each, error) from error
                # What was seen is of another branch, or the bytes of the whole value are needed.
                each.seen, each.is_plain = None, type(error) is not NotPlain
                again.append(each)
        if again:
            rows = self._rows(shared, again)
            for each in again:
                try:
                    self._settle(codec, each, rows[each])
                except CellMissing as error:
                    raise _missing(each, error) from error

    def _settle(self, codec: Codec, each: _Wanted, rows: Sequence[CellRow]) -> None:
        seen, each.value = self._seen_at(codec, each.seen, rows, each.at)
        if not each.is_plain:
            seen = replace(seen, is_plain=False)
        each.seen = seen
        self.cache.put(each.name, seen)

    def _seen_at(self, codec: Codec, seen: Seen | None, rows: Sequence[CellRow], at: CellAt) -> tuple[Seen, Any]:
        found, value = seen_at(codec, seen, rows, at, self._weight_max)
        if found.pristine is not None and found.pristine.parts >= _AHEAD_PARTS_MIN:
            self._cloned.append(found.pristine)
        return found, value

    def _rows(self, shared: RunShared, wanted: Sequence[_Wanted]) -> dict[_Wanted, Sequence[CellRow]]:
        """Read what these lack."""
        cells = [each for each in wanted if not each.blob]
        blobs = [each for each in wanted if each.blob]
        owner = owner_of_run(shared.run_id, shared.thread)
        found, data = self._read(shared.partition, [each.read(owner) for each in cells], [each.blob for each in blobs])
        rows: dict[_Wanted, Sequence[CellRow]] = dict(zip(cells, found, strict=True))
        for each, value in zip(blobs, data, strict=True):
            if value is None:
                raise _gone(each.blob)
            rows[each] = (CellRow(1, 0, value),)
        return rows


def _place(shared: RunShared) -> tuple[Hashable, ...]:
    """What names of a run's values mean something in: another owner of that name may have had the same."""
    return shared.partition, shared.graph, shared.made


def _settled(wanted: _Wanted) -> Seen:
    assert wanted.seen is not None
    return wanted.seen


def _resolved(value: Any, values: dict[str, Any]) -> Any:
    return values[value.blob] if type(value) is Named else value


def _gone(blob: str) -> DrumlineError:
    return DrumlineError(
        f"a large value that the task needs is gone from the broker (blob {blob}): the run is over, or its keys were "
        "deleted by hand"
    )


def _missing(wanted: _Wanted, error: Exception) -> Exception:
    if not wanted.is_origin or type(error) is not CellMissing:
        return error
    return DrumlineError(
        f"version {wanted.at.version} of cell {wanted.at.cell!r}, which the argument of the task's Send is made of, is "
        "gone from the broker: the run is over, or its keys were deleted by hand"
    )
