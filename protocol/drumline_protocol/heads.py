"""Heads, as a run's record holds them: which there are, and the cells that they name. Pure but for the reader.

A head is a log made short: facts that give the state of the run up to one of its log's entries
(`drumline_coordinator.heads` makes them). A new owner recovers from the newest one. Two more, the *marks*, are there
once the log is longer than its bound: what is left of it begins at the older one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drumline_graph.channels.base import MISSING
from drumline_graph.constants import TASKS
from drumline_graph.types import Send
from drumline_protocol.cells import CellAt, CellRow, assemble, cell_name
from drumline_protocol.codec import Codec
from drumline_protocol.codec_derived import Derived
from drumline_protocol.facts import Fact, GraphKept

#: owner, cell, and the versions to read: behind the first number up to the second one
CellAsked = tuple[str, str, int, int]
#: gives the rows of cells, as `read_values` of a broker does
ReadCells = Callable[[list[CellAsked]], list[list[CellRow]]]

#: the fields of the record that hold heads; the entry up to which each holds stands in `<field>_at`
HEAD, MARKS = "head", ("mark0", "mark1")
#: the field that says up to which entry the log was trimmed
TRIMMED = "trimmed"

#: digits of the number of a fact, or of an epoch
_DIGITS_MAX = 18


class Head(NamedTuple):
    """A head as it is stored: `at` is the id of the log entry up to which it holds, `fact` that entry's last fact."""

    fact: int
    epoch: int
    at: str
    data: bytes


def heads_in(record: Mapping[str, bytes], fields: Sequence[str] = (HEAD, *MARKS)) -> list[Head]:
    """The heads that a run's record holds, the newest first. One whose place cannot be read is left out."""
    found = []
    for name in fields:
        at = record.get(f"{name}_at", b"").decode("ascii", "replace")
        epoch, fact = entry_numbers(at)
        if fact and record.get(name):
            found.append(Head(fact, epoch, at, record[name]))
    return sorted(found, reverse=True)


def trimmed_to(record: Mapping[str, bytes]) -> int:
    """The number of the last fact that was trimmed from a run's log; 0 if the log is whole."""
    return entry_numbers(record.get(TRIMMED, b"").decode("ascii", "replace"))[1]


def entry_numbers(id_: str) -> tuple[int, int]:
    """The epoch, and the number of the last fact, of a log entry by its id; zeros for what is no such id."""
    epoch, _, fact = id_.partition("-")
    if all(part.isascii() and part.isdigit() and len(part) <= _DIGITS_MAX for part in (epoch, fact)):
        return int(epoch), int(fact)
    return 0, 0


def open_head(
    codec: Codec, owner: str, facts: Sequence[Fact], read: ReadCells, *, arguments: bool = False
) -> dict[CellAt, Any]:
    """Put the cells of `owner` that lie in the cell store into `GraphKept` facts. CellMissing, DecodeError.

    With `arguments`, returns the older versions of cells too that arguments of Sends in the head are made of. A version
    that is the newest one is left out: it is what the cell holds.
    """
    wanted: list[tuple[GraphKept, str, int, CellAsked]] = []
    older: dict[CellAt, CellAsked] = {}
    for fact in facts:
        if type(fact) is GraphKept:
            newest = {}
            for channel, how in fact.kept.items():
                if type(how) is list:
                    version, base = how[0], how[1]
                    newest[cell_name(fact.ns, channel)] = version
                    wanted.append((fact, channel, version, (owner, cell_name(fact.ns, channel), base - 1, version)))
            if arguments:
                named = (at for at in versions_named(fact) if newest.get(at.cell) != at.version)
                older.update((at, (owner, at.cell, at.base - 1, at.version)) for at in named)
    if not wanted and not older:
        return {}
    found = read([*(cell for *_, cell in wanted), *older.values()])
    for (fact, channel, version, _), rows in zip(wanted, found, strict=False):
        value = assemble(codec, rows, version)
        if value is not MISSING:
            fact.cells[channel] = value
    return {at: assemble(codec, rows, at.version) for at, rows in zip(older, found[len(wanted) :], strict=True)}


def versions_named(graph: GraphKept) -> list[CellAt]:
    """The versions of cells that arguments in a graph of a head are made of: what its tasks got, and what they sent."""
    sent = (
        value.arg
        for row in graph.tasks
        for channel, value in row.writes or ()
        if channel == TASKS and type(value) is Send
    )
    return [at for arg in (*(row.input for row in graph.tasks), *sent) if type(arg) is Derived for at in arg.cells]
