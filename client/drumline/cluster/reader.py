"""Reading a run: log entries go in, positioned items come out. Pure; sync and async streams share it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drumline.cluster.position import BEGINNING, Position, position_text, run_tag
from drumline.views import View
from drumline.views.head import begin_at, forget_events, open_tasks_in, prime
from drumline_graph.warnings import RunWarning
from drumline_protocol import wire
from drumline_protocol.cells import CellAt
from drumline_protocol.codec import Codec
from drumline_protocol.errors import InvalidPosition, LogGap, ModeNotRecorded
from drumline_protocol.facts import (
    AttemptRetracted,
    Checkpointed,
    GraphKept,
    Noticed,
    RunFinished,
    RunKept,
    RunStarted,
    TaskParked,
    fact_count,
)
from drumline_protocol.failure import Known, rebuild
from drumline_protocol.heads import Head
from drumline_protocol.history import kept_cells
from drumline_protocol.keys import owner_of_run
from drumline_protocol.named import arguments_in, may_name, names_in, resolve
from drumline_protocol.reading_cells import CellReader, ReadValues
from drumline_protocol.request_digest import Asked
from drumline_transport.broker import LogEntry

if TYPE_CHECKING:
    from drumline.cluster.seen_threads import SeenThreads, Sight

#: makes a Position in half the time: there is one for each token
_position = tuple.__new__

#: modes whose events exist only if the run was started with them
_RECORDED = frozenset({"custom", "messages", "tools"})

#: the entries up to this fact tell from where a run goes on
_KEPT_FIRST = 2


class RunReader:
    """Folds the log of one run into the items of one view, behind a position.

    `after` is the log id to read behind; `ended` turns True with the last fact, and `failure` is what to raise then.
    """

    def __init__(
        self,
        run_id: str,
        view: View,
        codec: Codec,
        modes: Sequence[str],
        *,
        known: Known = (),
        subgraphs: bool = False,
        start: Position = BEGINNING,
        raised_as: Callable[[BaseException], BaseException] | None = None,
        asked: Asked | None = None,
        read_values: ReadValues | None = None,
        gap: Callable[[int, int], BaseException] | None = None,
        threads: SeenThreads | None = None,
    ) -> None:
        self._run_id = run_id
        self._view = view
        self._codec = codec
        self._modes = frozenset(modes)
        self._known = known
        self._subgraphs = subgraphs
        self._start = start
        self._raised_as = raised_as
        self._asked = asked
        self._read_values = read_values
        #: the thread of the run; "" if it is on none
        self._thread = ""
        self._gap = gap
        self._threads = threads
        #: the thread, once the log has said where it stands
        self._sight: Sight | None = None
        #: open tasks of which the view does not know all events, because part of the log is trimmed
        self._cut: set[str] | None = None
        self._fetched: dict[str, list[Any]] = {}
        self._next = 1
        self._epoch = 0
        self.after = "0-0"
        self.ended = False
        self.failure: BaseException | None = None

    @property
    def view(self) -> View:
        """What the facts are folded into."""
        return self._view

    @property
    def accepted(self) -> bool:
        """Whether a coordinator has begun the run."""
        return self._next > 1

    def begin_at(
        self,
        head: Head,
        facts: Sequence[Any],
        older: Mapping[CellAt, Any],
        events: Sequence[Any],
        *,
        partial: bool = False,
    ) -> None:
        """Begin behind a head in place of the first fact. `facts` are the head's, with the values that it names.

        `older` are the other versions of cells that arguments in it are made of. `events` are what the tasks that are
        open there had emitted; `partial`: some of it is trimmed. ModeNotRecorded, RunIdTaken.
        """
        for fact in facts:
            if type(fact) is RunStarted:
                self._check_started(fact)
        begin_at(self._view, facts, older)
        if partial:
            self._cut = open_tasks_in(facts)
        self._guarded(lambda: prime(self._view, facts, events))
        self._next, self.after, self._epoch = head.fact + 1, head.at, head.epoch

    def names_values(self, entry: LogEntry) -> bool:
        """Whether something must be read before the view can take in this entry (`fetch`)."""
        if entry.id in self._fetched:
            return False
        if self._gap is not None and entry.first > self._next:
            return True
        if self._read_values is None or not self._view.shows_values:
            return False
        return may_name(entry.data) or (entry.first <= _KEPT_FIRST and b"thread_id" in entry.data)

    def fetch(self, entry: LogEntry) -> None:
        """Read the large values that the facts of an entry name. DecodeError, BlobMissing, NoBroker, LogTrimmed."""
        if entry.first > self._next:
            raise self._gap_before(entry)
        self._fetched[entry.id] = self.resolved(wire.decode_facts(self._codec, entry.data))

    def resolved(self, facts: Sequence[Any]) -> list[Any]:
        """The facts with the large values that they name, as far as the view shows them. BlobMissing, NoBroker."""
        assert self._read_values is not None
        kept = {} if self._view.shows_arguments else {name.blob: name for name in arguments_in(facts)}
        blobs = list(dict.fromkeys(name.blob for fact in facts for name in names_in(fact) if name.blob not in kept))
        found = zip(blobs, self._read_values([], blobs)[1], strict=True)
        values = {blob: self._codec.decode(data) for blob, data in found if data is not None}
        for fact in facts:
            self._open_kept(fact)
        return [resolve(fact, values | kept) for fact in facts]

    def _gap_before(self, entry: LogEntry) -> BaseException:
        if self._gap is None or entry.first < self._next:
            return LogGap(self._run_id, self._next, entry.first)
        return self._gap(self._next, entry.first)

    def _open_kept(self, fact: Any) -> None:
        """Read the cells that a graph has which goes on from a checkpoint. DecodeError, CellMissing, NoBroker."""
        if type(fact) is RunStarted:
            self._thread = str(fact.thread.get("thread_id", ""))
        elif type(fact) is GraphKept and fact.opened is None and self._view.folds_cells and self._read_values:
            owner = owner_of_run(self._run_id, self._thread)
            sight, codec, read = self._sight, self._codec, self._read_values
            fact.opened = kept_cells(codec, owner, fact, sight.cells(codec, read) if sight else CellReader(codec, read))
            fact.cells.update(fact.opened)
        elif type(fact) is RunKept and self._threads is not None and self._thread and fact.checkpoint:
            self._sight = self._threads.sight(self._thread, fact.checkpoint)
        elif type(fact) is Checkpointed and self._sight is not None:
            self._sight.stands(fact.id)

    def feed(self, entries: Sequence[LogEntry]) -> list[tuple[Any, Position]]:
        """Items of these entries, each with the position behind it.

        Raises LogGap when facts are missing or were taken back, ModeNotRecorded, RunIdTaken, DecodeError.
        """
        out: list[tuple[Any, Position]] = []
        for entry in entries:
            if entry.first != self._next:
                raise self._gap_before(entry)
            self.after = entry.id
            self._enter(entry)
            if self.names_values(entry):
                self.fetch(entry)
            fetched = self._fetched.pop(entry.id, None)
            for fact in wire.decode_facts(self._codec, entry.data) if fetched is None else fetched:
                if fetched is None:  # else it was opened there, and the thread already stands behind this entry
                    self._open_kept(fact)
                self._next += fact_count(fact)
                items = self._fold(fact)
                if items:
                    self._place(items, self._next - 1, out)
        return out

    def _enter(self, entry: LogEntry) -> None:
        """Note the entry's epoch. LogGap if it holds the start's fact, and that was seen in an entry of another one."""
        epoch, _, last = entry.id.partition("-")
        self._epoch = int(epoch)
        start = self._start
        if start.epoch and entry.first <= start.fact <= int(last) and start.epoch != self._epoch:
            raise LogGap(self._run_id, start.fact + 1, start.fact)

    def _place(self, items: Sequence[Any], number: int, out: list[tuple[Any, Position]]) -> None:
        """Add those items of fact `number` that stand behind the start."""
        epoch = self._epoch
        last = len(items)
        placed = [
            (item, _position(Position, (number, count, epoch, count == last))) for count, item in enumerate(items, 1)
        ]
        if number > self._start.fact:
            out.extend(placed)
        elif number == self._start.fact and not self._start.whole:
            out.extend(placed[self._start.items :])

    def _fold(self, fact: Any) -> list[Any]:
        kind = type(fact)
        if kind is RunStarted:
            self._check_started(fact)
        elif kind is Noticed:
            self._tell(fact.text)
        elif kind is TaskParked:
            self._tell(f"a task waits for a worker: {fact.reason}")
        elif kind is RunFinished:
            self.ended = True
            if self._start.fact >= self._next:
                text = position_text(self._start, run_tag(self._run_id))
                raise InvalidPosition(text, f"the run ended with fact {self._next - 1}")
            if fact.error is not None:
                failure = rebuild(fact.error, self._known)
                self.failure = failure if self._raised_as is None else self._raised_as(failure)
        if self._cut is None:
            return self._view.fold(fact)
        return self._fold_after_a_cut(fact, self._cut)

    def _fold_after_a_cut(self, fact: Any, cut: set[str]) -> list[Any]:
        items: list[Any] = self._guarded(lambda: self._view.fold(fact))
        if type(fact) is AttemptRetracted and fact.task in cut:
            cut.discard(fact.task)
            forget_events(self._view, fact.task)
            self._tell(f"task {fact.task} runs again, and part of the log is trimmed: what it emits may come twice")
        return items

    def _guarded(self, fold: Callable[[], Any]) -> Any:
        """A view that lacks what is trimmed says so, instead of showing something else."""
        try:
            return fold()
        except (KeyError, AssertionError):
            if self._cut is not None and self._gap is not None:
                raise self._gap(1, self._next) from None
            raise

    def _check_started(self, fact: RunStarted) -> None:
        if self._asked is not None:
            self._asked.check(self._run_id, fact.graph, fact.fingerprint, fact.digest)
        if fact.sketches:  # none: the run was rejected before anything could be recorded
            self._check_recorded(fact)

    def _check_recorded(self, fact: RunStarted) -> None:
        wanted = self._modes & _RECORDED
        missing = sorted(wanted - set(fact.recorded))
        if not missing and wanted and self._subgraphs and not fact.subgraphs:
            missing = sorted(f"{mode} of subgraphs" for mode in wanted)
        if missing:
            raise ModeNotRecorded(missing, fact.recorded)

    def _tell(self, text: str) -> None:
        warnings.warn(f"run {self._run_id}: {text}", RunWarning, stacklevel=6)
