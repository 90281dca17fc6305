"""Where a reader that comes late begins: at a head of its run, if the run's record holds one that serves.

Folding the log from its first fact gives the same items, but costs as much as the run is long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drumline.cluster.link import Link
from drumline.cluster.position import Position, position_text, run_tag
from drumline.cluster.reader import RunReader
from drumline.views.head import events_lie_behind, needs_all_facts, shown_at, tells_output
from drumline_protocol import wire
from drumline_protocol.cells import CellAt
from drumline_protocol.codec import Codec
from drumline_protocol.errors import DecodeError, LogGap, LogTrimmed, ValueMissing
from drumline_protocol.facts import GraphKept, RunStarted
from drumline_protocol.heads import MARKS, Head, entry_numbers, heads_in, open_head, trimmed_to
from drumline_protocol.keys import owner_of_run

if TYPE_CHECKING:
    from drumline_transport.broker import ClientVerbs, LogEntry

#: how often the record is read anew when what its head names was replaced meanwhile
_TRIES = 5

#: entries that one read of the log asks for
_ENTRIES_MAX = 500


@dataclass(slots=True)
class LateStart:
    """Begins the reader of a stream of `run_id` that stands at `start`.

    `newest`: at the newest head, wherever the reader stands; for who wants nothing but the run's output.
    """

    link: Link
    run_id: str
    codec: Codec
    start: Position
    newest: bool = False
    #: the run's record, as it was read to make sure that the run exists
    record: Mapping[str, bytes] = field(default_factory=dict)
    #: the run's thread, if the run's id is its caller's own
    thread: str | None = None

    def look(self) -> None:
        """Read the run's record. UnknownRun."""
        self.record = self.link.record(self.run_id, self.thread)

    def enter(self, reader: RunReader) -> list[tuple[Any, Position]]:
        """Begin `reader` at a head if one serves, or leave it before the first fact.

        Returns the items that tell what a reader of the output must know of the time before the head. NoBroker, and
        what `RunReader.begin_at` raises.
        """
        if self.newest and not self.record:  # it was asked for under an id that may be taken
            self.record = self.link.broker().load_run(self.link.partition(self.run_id, self.thread), self.run_id)
        for _ in range(_TRIES):
            head = self._choose(reader)
            if head is None:
                break
            try:
                return self._begin(reader, head)
            except (ValueMissing, DecodeError):  # a newer head has taken its place, and what it names is gone
                self.look()
        return []

    def gap(self, wanted: int, found: int) -> BaseException:
        """What to raise for facts that are not there: `LogTrimmed`, or `LogGap` if they are lost."""
        record = self.link.record(self.run_id, self.thread)
        marks, trimmed = heads_in(record, MARKS), trimmed_to(record)
        if not marks or trimmed < wanted:
            return LogGap(self.run_id, wanted, found)
        mark = marks[-1]
        position = position_text(Position(mark.fact, 0, mark.epoch, True), run_tag(self.run_id))
        return LogTrimmed(self.run_id, wanted, max(found, trimmed + 1), position)

    # -- which head ---------------------------------------------------------------------------------

    def _choose(self, reader: RunReader) -> Head | None:
        record, start = self.record, self.start
        if self.newest:
            return next(iter(heads_in(record)), None)
        if not start.fact or (needs_all_facts(reader.view) and not trimmed_to(record)):
            return None
        return next((head for head in heads_in(record) if _serves(head, start)), None)

    # -- what it holds ------------------------------------------------------------------------------

    def _begin(self, reader: RunReader, head: Head) -> list[tuple[Any, Position]]:
        broker, p = self.link.broker(), self.link.partition(self.run_id, self.thread)
        facts = wire.decode_facts(self.codec, head.data)
        if self.newest and not tells_output(facts, reader.view):
            return []
        older: dict[CellAt, Any] = {}
        if reader.view.folds_cells:
            older = open_head(
                self.codec,
                owner_of_run(self.run_id, _thread_in(facts)),
                facts,
                lambda cells: broker.read_values(p, cells, [])[0],
                arguments=reader.view.shows_arguments,
            )
            for fact in facts:
                if type(fact) is GraphKept:
                    fact.opened = {}  # its cells are there
            facts = reader.resolved(facts)
        since = events_lie_behind(facts)
        events, partial = ([], False) if since is None else self._events(broker, p, since, head)
        reader.begin_at(head, facts, older, events, partial=partial)
        if not self.newest:
            return []
        return [(item, Position(head.fact, 0, head.epoch, True)) for item in shown_at(reader.view, facts)]

    def _events(self, broker: ClientVerbs, p: int, since: str, head: Head) -> tuple[list[Any], bool]:
        """The facts from behind the entry `since` up to a head, and whether some of them are trimmed."""
        facts: list[Any] = []
        log = broker.log_reader(p, self.run_id)
        try:
            after, partial = since, False
            expected = entry_numbers(since)[1] + 1
            while entries := log.read(after, _ENTRIES_MAX, 0):
                for entry in entries:
                    if entry.first > head.fact:
                        return facts, partial or expected <= head.fact
                    partial = partial or entry.first > expected
                    expected = _last(entry) + 1
                    facts += wire.decode_facts(self.codec, entry.data)
                if expected > head.fact:
                    return facts, partial
                after = entries[-1].id
        finally:
            log.close()
        return facts, expected <= head.fact


def _serves(head: Head, start: Position) -> bool:
    """Whether a reader at `start` has seen all that a head stands for."""
    if head.fact != start.fact:
        return head.fact < start.fact
    return start.whole and start.epoch in (0, head.epoch)


def _last(entry: LogEntry) -> int:
    return entry_numbers(entry.id)[1]


def _thread_in(facts: Sequence[Any]) -> str:
    """The thread of the run that a head is of; empty for a run on none."""
    thread = next((fact.thread for fact in facts if type(fact) is RunStarted), {})
    return str(thread.get("thread_id", ""))
