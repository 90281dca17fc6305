"""Opening streams: from the options of a call to a reader and the stream around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from drumline.cluster.attendance import is_in_vain
from drumline.cluster.children import Caller
from drumline.cluster.controls import ControlledRun
from drumline.cluster.idle import Idle
from drumline.cluster.late import LateStart
from drumline.cluster.link import Link
from drumline.cluster.mismatch import explained
from drumline.cluster.places import started_here
from drumline.cluster.position import parse_position
from drumline.cluster.reader import RunReader
from drumline.cluster.stream import AsyncRunStream, RunStream
from drumline.reading import Reading, view_of
from drumline_graph.error_classes import error_classes_of
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.request_digest import Asked

if TYPE_CHECKING:
    from drumline.tracing.run import RunTrace


@dataclass(slots=True)
class Opening:
    """What a reader of a run asked for.

    `reading` says how the run is shown. `begin` is called before the first read: it submits the run (None: the run must
    be there). `cancel` is called when the stream is closed before the end of the run (None: the run goes on),
    `withdraw` when nobody accepted the run (None: it was there before). `asked` is what the run must have been begun
    with, `caller` the node that reads it.
    """

    run_id: str
    reading: Reading
    begin: Callable[[], None] | None = None
    cancel: Callable[[], None] | None = None
    withdraw: Callable[[], None] | None = None
    after: str | None = None
    program: Program | None = None
    #: the graph within `program` that the run is of; None: `program` itself
    shown: Program | None = None
    asked: Asked | None = None
    caller: Caller | None = None
    #: what callback handlers hear; None if there are none
    trace: RunTrace | None = None
    #: the thread of the run, for a caller's own run id
    thread: str | None = None
    #: whether a run of this id may be there already, though this asks for one
    may_be_there: bool = False
    #: what passes on what the caller's `control` says
    control: ControlledRun | None = None
    #: nothing but the run's output is wanted: begin at its newest head
    newest: bool = False

    def for_output(self) -> Opening:
        """The same for a caller who reads it to its end and keeps the output alone."""
        self.newest = self.may_be_there and self.reading.is_of_values and not self.reading.printed
        return self

    def stream(self, link: Link) -> RunStream[Any]:
        """The stream for sync callers."""
        kind: Any = RunStream if self.trace is None else self._traced("TracedRunStream")
        stream: RunStream[Any] = kind(
            self.run_id,
            self._reader(link),
            lambda: link.broker().log_reader(link.partition(self.run_id, self.thread), self.run_id),
            **self._rest(link),
        )
        return stream

    def astream(self, link: Link) -> AsyncRunStream[Any]:
        """The twin for an event loop."""
        kind: Any = AsyncRunStream if self.trace is None else self._traced("TracedAsyncRunStream")
        stream: AsyncRunStream[Any] = kind(
            self.run_id,
            self._reader(link),
            lambda: link.alog_reader(link.partition(self.run_id, self.thread), self.run_id),
            **self._rest(link),
        )
        return stream

    def _traced(self, kind: str) -> Any:
        from drumline.tracing import streams

        return partial(getattr(streams, kind), trace=self.trace)

    def _rest(self, link: Link) -> dict[str, Any]:
        start = parse_position(self.after, self.run_id)
        late = self._late(link)
        return {
            "begin": self.begin or late.look,
            "late": late if self._may_begin_late else None,
            "cancel": self.cancel,
            "withdraw": self.withdraw,
            "idle": Idle(link, self.run_id, self.thread),
            "canceller": link.canceller,
            "caller": self.caller,
            "control": self.control,
            "in_vain": partial(is_in_vain, link),
            "start": start,
        }

    @property
    def _may_begin_late(self) -> bool:
        """Whether a head may stand for what was before it. Who hears a trace hears all of it."""
        return self.trace is None and (self.newest or self.after is not None)

    def _late(self, link: Link) -> LateStart:
        start = parse_position(self.after, self.run_id)
        return LateStart(link, self.run_id, link.codec(self.program), start, self.newest, thread=self.thread)

    def _reader(self, link: Link) -> RunReader:
        program, codec = self.program, link.codec(self.program)
        known = KnownErrors(link.errors, program)
        view: Any = view_of(
            self.reading,
            self.shown or program,
            decode_item=lambda data: wire.decode_item(codec, data),
            errors=known,
        )
        if self.trace is not None:
            from drumline.tracing.streams import Overheard

            view = Overheard(view, self.trace)
        return RunReader(
            self.run_id,
            view,
            codec,
            self.reading.recorded,
            known=known,
            subgraphs=self.reading.subgraphs,
            start=parse_position(self.after, self.run_id),
            raised_as=None if program is None else explained(program),
            asked=self.asked,
            gap=self._late(link).gap,
            threads=link.threads,
            read_values=lambda cells, blobs: link.broker().read_values(
                link.partition(self.run_id, self.thread), cells, blobs
            ),
        )


def opening_of(link: Link, run_id: str, reading: Reading, **rest: Any) -> Opening:
    """How to read a run that was begun before. The node that has started it waits for it from now on."""
    here = started_here(run_id)
    caller = None if here is None else Caller(here[0], link, here[1])
    return Opening(run_id, reading, caller=caller, **rest)


class KnownErrors:
    """The exception classes that a reader rebuilds: those that it was given, and those that a graph's functions know.

    The latter are looked for when an error has come: most streams never need them.
    """

    def __init__(self, given: Sequence[type[BaseException]], program: Program | None) -> None:
        self._given = given
        self._program = program

    def __iter__(self) -> Iterator[type[BaseException]]:
        yield from self._given
        if self._program is not None:
            yield from error_classes_of(self._program)
