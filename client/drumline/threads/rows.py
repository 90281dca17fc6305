"""The rows that threads are kept as, and what keeps them: the same for memory, SQLite, and whatever comes next. Pure.

A thread is three kinds of rows. A *checkpoint row* says what a checkpoint is, and where each of its cells lies: inside
of the row, if it is small, or in value rows. A *value row* is one version of a cell: a base, which holds the whole
value, or a delta, which holds what changed since the value row that it names as its parent. A *writes row* is what one
task has written on top of a checkpoint.

A version of a cell is named by the checkpoint that made it. So two branches of a thread never share a name, each owns
its deltas, and a cell that did not change costs a later checkpoint no more than this name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

#: how a writes row meets those that are there already: what stands in its place stays (LangGraph's rule for ordinary
#: writes), it replaces all ordinary writes of its task, or it comes behind them
STAYS, REPLACES, APPENDS = "stays", "replaces", "appends"

#: the channel of a row that holds several writes of one task
SEVERAL = ""


@dataclass(frozen=True, slots=True)
class Private:
    """A value that the codec does not take, as the memory of this process keeps it: its own copy, if it has one."""

    value: Any

    def __len__(self) -> int:
        return 0


Data = bytes | Private


class Kept(NamedTuple):
    """A cell that lies in value rows: the newest is that of checkpoint `made`, the base that of checkpoint `base`.

    `bytes` is what there is to read from the base on, `value_bytes` about what the value itself takes.
    """

    made: str
    base: str
    bytes: int
    value_bytes: int

    def with_delta(self, made: str, size: int, *, grows: bool) -> Kept | None:
        """The same with one delta more; None if a new base is cheaper for all who read.

        What only grows is read in as many bytes as it takes. Else deltas replace what lies there, and from twice the
        value on that is a waste.
        """
        value = self.value_bytes + size * grows
        if self.bytes + size > 2 * value:
            return None
        return Kept(made, self.base, self.bytes + size, value)


Cell = Kept | Data


@dataclass(slots=True)
class CheckpointRow:
    """One checkpoint. `graph` has the beginning of the fingerprint and the name of the graph that ran as a whole.

    `run` is the run id in its metadata, `facts` and `metadata` are encoded.
    """

    thread: str
    ns: str
    id: str
    parent: str
    graph: str
    run: str
    facts: bytes
    metadata: bytes
    cells: dict[str, Cell]
    #: the checkpoint that must be the newest one when the row is written; None: any may be
    behind: str | None = None

    @property
    def is_theirs(self) -> bool:
        """Whether it was put through LangGraph's interface: as LangGraph's dicts, and with no graph's name."""
        return not self.graph


@dataclass(slots=True)
class ValueRow:
    """One version of a cell. `parent` is the checkpoint that made the version before; "" for a base.

    `names` is the checkpoint whose value rows hold what the data of an input names (`drumline.threads.written`).
    """

    thread: str
    ns: str
    channel: str
    made: str
    parent: str
    data: Data
    names: str = ""


class Slot(NamedTuple):
    """One row of a task's writes: its place among them, its channel (or `SEVERAL`), and what was written.

    `made` is the checkpoint whose value rows hold what the data names of them (`drumline.threads.written`).
    """

    place: int
    channel: str
    data: Data
    made: str = ""


@dataclass(slots=True)
class WritesRow:
    """What a task has written on top of a checkpoint."""

    thread: str
    ns: str
    checkpoint: str
    task: str
    path: str
    slots: list[Slot]
    meets: str = REPLACES


Row = CheckpointRow | ValueRow | WritesRow


@dataclass(slots=True)
class Written:
    """A slot as it was found."""

    task: str
    path: str
    slot: Slot

    @property
    def order(self) -> tuple[str, str, int]:
        """By what LangGraph sorts pending writes."""
        return self.path, self.task, self.slot.place


@dataclass(slots=True)
class Found:
    """A checkpoint row with all that belongs to it. `newest` is the id of the newest one of its namespace.

    `values` are the rows of its cells, behind those versions that its reader knows, and those that its writes name.
    """

    row: CheckpointRow
    newest: str
    values: list[ValueRow] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which checkpoint rows are asked for; None: any."""

    thread: str | None = None
    ns: str | None = None
    checkpoint: str | None = None
    before: str | None = None


class Place(NamedTuple):
    """Where a checkpoint row lies."""

    thread: str
    ns: str
    checkpoint: str


#: versions of cells that a reader has, by channel: the checkpoint that made each. What they stand on is not read.
Known = Mapping[str, str]
NOTHING_KNOWN: Known = MappingProxyType({})


def first_wanted(cell: Kept, known: Known, channel: str) -> tuple[str, bool]:
    """From which version on the rows of a cell are to be read, and whether from behind that one."""
    made = known.get(channel, "")
    return (made, True) if cell.base <= made <= cell.made else (cell.base, False)


class Rows(Protocol):
    """Keeps rows. Each method has an async twin, whose name begins with `a`. Safe to share among threads and loops."""

    #: whether writing is so fast that nothing is won by doing it in the background
    is_fast: bool
    #: whether values are kept that no codec takes
    takes_objects: bool

    def write(self, rows: Sequence[Row]) -> None:
        """Keep all of these, or none. ThreadConflict if a row is not behind the checkpoint that it must be behind."""
        ...

    async def awrite(self, rows: Sequence[Row]) -> None:
        """The twin of `write`."""
        ...

    def find(self, thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Found | None:
        """A checkpoint with all that belongs to it; without an id the newest one."""
        ...

    async def afind(self, thread: str, ns: str, checkpoint: str, known: Known = NOTHING_KNOWN) -> Found | None:
        """The twin of `find`."""
        ...

    def page(self, wanted: Wanted, size: int) -> list[CheckpointRow]:
        """The newest checkpoint rows that are wanted, as many as `size`, the newest first."""
        ...

    async def apage(self, wanted: Wanted, size: int) -> list[CheckpointRow]:
        """The twin of `page`."""
        ...

    def fill(self, row: CheckpointRow) -> Found:
        """A checkpoint row with all that belongs to it."""
        ...

    async def afill(self, row: CheckpointRow) -> Found:
        """The twin of `fill`."""
        ...

    def delete(self, thread: str) -> None:
        """Leave nothing of a thread."""
        ...

    async def adelete(self, thread: str) -> None:
        """The twin of `delete`."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Put all of one thread under another id too."""
        ...

    async def acopy(self, source: str, target: str) -> None:
        """The twin of `copy`."""
        ...

    def threads(self, after: str, size: int) -> list[str]:
        """The ids of up to `size` threads, in order, those that sort behind `after`."""
        ...

    async def athreads(self, after: str, size: int) -> list[str]:
        """The twin of `threads`."""
        ...

    def drop(
        self, *, runs: Sequence[str] = (), but_newest_of: Sequence[str] = (), places: Sequence[Place] = ()
    ) -> None:
        """Drop the checkpoints of these runs, all but the newest of each namespace of these threads, and those at these
        places.

        What is left stays readable: value rows that it stands on are kept.
        """
        ...

    async def adrop(
        self, *, runs: Sequence[str] = (), but_newest_of: Sequence[str] = (), places: Sequence[Place] = ()
    ) -> None:
        """The twin of `drop`."""
        ...


#: a value row of a namespace: its channel, and the checkpoint that made it
Name = tuple[str, str]


def needed(
    manifests: Iterable[dict[str, Cell]], parents: Mapping[Name, str], names: Mapping[Name, str], named: Iterable[str]
) -> set[Name]:
    """The value rows that these cells stand on, and those of the checkpoints `named`, which writes name.

    `parents` has the parent of each value row, `names` the checkpoint that some of them name.
    """
    stood: set[Name] = set()
    for cells in manifests:
        for channel, cell in cells.items():
            made = cell.made if type(cell) is Kept else ""
            while made and (channel, made) not in stood:
                stood.add((channel, made))
                made = parents.get((channel, made), "")
    mades = {*named, *(made for name, made in names.items() if name in stood)}
    return stood | {name for name in parents if name[1] in mades}
