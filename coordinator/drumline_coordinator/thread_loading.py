"""Threads as they are found in what the broker holds. No IO but the loader that is given."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from drumline_coordinator.loading import Loading, graph_at, histories, load
from drumline_coordinator.thread_config import thread_run_of
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_protocol.cells import CellRow
from drumline_protocol.checkpoints import Saved, joined_ns, outcomes
from drumline_protocol.codec import Codec
from drumline_protocol.history import History, first_row_of, place_of_row
from drumline_protocol.limits import CARRIED_BYTES_MAX
from drumline_protocol.messages import RunShared
from drumline_protocol.reading_cells import CellReader
from drumline_protocol.replay import Replay
from drumline_protocol.seen_cells import Store
from drumline_protocol.threads import ThreadHead, head_in
from drumline_transport.broker import CellRead, FieldValue, HistoryRow, QueueRow
from drumline_transport.thread_verbs import PAGE_MAX


class ThreadLoader(Protocol):
    """What is read of threads."""

    def load_thread(self, p: int, thread: str) -> dict[str, bytes]: ...

    def read_history(
        self,
        p: int,
        thread: str,
        oldest: str = "-",
        newest: str = "+",
        *,
        count: int = PAGE_MAX,
        backwards: bool = False,
    ) -> list[HistoryRow]: ...

    def read_queue(self, p: int, after: str = "-", count: int = PAGE_MAX) -> list[QueueRow]: ...

    def runs_of_thread(self, p: int, thread: str) -> list[tuple[str, int]]: ...

    def read_values(
        self, p: int, cells: list[CellRead], blobs: list[str]
    ) -> tuple[list[list[CellRow]], list[bytes | None]]: ...


def load_head(loader: ThreadLoader, codec: Codec, p: int, thread: str) -> ThreadHead:
    """The head of a thread, or that of a new one. DecodeError, NoBroker."""
    return head_in(codec, thread, loader.load_thread(p, thread)) or ThreadHead(thread)


def load_history(
    loader: ThreadLoader,
    codec: Codec,
    p: int,
    thread: str,
    oldest: str = "-",
    newest: str = "+",
    *,
    seen: Store | None = None,
    place: tuple[Hashable, ...] = (),
) -> History:
    """The history of a thread from the row `oldest` on; `seen` and `place` as in `CellReader`. NoBroker."""
    rows, read = rows_of_thread(loader, p, thread, oldest, newest), partial(loader.read_values, p)
    return History(codec, thread, rows, read, cells=CellReader(codec, read, seen, place))


def rows_of_thread(loader: ThreadLoader, p: int, thread: str, oldest: str = "-", newest: str = "+") -> list[HistoryRow]:
    """The rows of a thread's history from `oldest` to `newest`. NoBroker."""
    rows: list[HistoryRow] = []
    while True:
        page = loader.read_history(p, thread, oldest, newest)
        rows += page
        if len(page) < PAGE_MAX:
            return rows
        oldest = f"({page[-1].id}"


def place_of_run(
    loader: ThreadLoader,
    codec: Codec,
    p: int,
    head: ThreadHead,
    program: Program,
    config: Mapping[str, Any],
    input: Any,
    root: tuple[str, ...] = (),
    *,
    seen: Store | None = None,
    place: tuple[Hashable, ...] = (),
) -> ThreadRun:
    """What a run that begins on the thread must know of it. `root` is the namespace of its graph within `program`;
    `seen` and `place` as in `CellReader`.

    DecodeError, CellMissing and BlobMissing for a damaged thread, NoBroker, and whatever planning raises.
    """
    run = thread_run_of(head.id, config, is_strict=True, updates=bool(root))
    run.last, run.version, run.answered, run.former = head.last, head.version, head.answered, head.run
    goes_back = bool(run.addressed or root)  # graphs below may stand anywhere
    if not (goes_back or head.head):
        return run
    history = load_history(
        loader, codec, p, head.id, "-" if goes_back else _oldest(head.head, head.called), seen=seen, place=place
    )
    run.saved = loaded(load(graph_at(program, root), run, joined_ns(root), input), history)
    run.values = history.values
    tasks, bytes_max = (None, CARRIED_BYTES_MAX) if run.travels else (asking(run.saved.values()), 0)
    run.called = history.called(tasks, run.saved.keys(), bytes_max)
    run.called_one = history.called_one(run.saved.keys(), bytes_max)
    return run


def _oldest(checkpoint: str, called: Mapping[str, str]) -> str:
    """The first row that a run needs which begins at this checkpoint of its root."""
    return min([first_row_of(checkpoint), *called.values()], key=place_of_row)


def asking(found: Iterable[Saved]) -> set[str]:
    """The tasks behind these checkpoints that have begun and have no result."""
    return {task for saved in found for task, outcome in outcomes(saved.pending).items() if not outcome.has_ended}


def loaded(loading: Loading, history: History) -> dict[str, Saved]:
    """What a run begins from, as a history has it."""
    saved: Saved | None = None
    try:
        read = next(loading)
        while True:
            saved = history.get(read.ns, read.checkpoint, read.before)
            read = loading.send(saved)
    except StopIteration as stop:
        found: dict[str, Saved] = stop.value
        return found


def fields_of(codec: Codec, thread: ThreadRun, *, again: bool = False) -> dict[str, FieldValue]:
    """The fields of a run's record that say what `take_fields` must know: no fact tells it.

    They are the answers that the run was given; how far it has gone back, and what stays there as it is; and what
    graphs that its tasks have called have left, if that is on no thread. `again`: they may say something else by now.
    """
    fields: dict[str, FieldValue] = {}
    if thread.answers or again:
        asked = {task: sorted(questions) for task, questions in thread.asked.items()}
        fields["answers"] = codec.encode([thread.answers, thread.lent, thread.single, asked])
    if thread.replay is not None or thread.settled or not thread.keeps_results:
        replay = None if thread.replay is None else [thread.replay.bound, thread.replay.tasks]
        fields["travel"] = codec.encode([replay, sorted(thread.settled), thread.keeps_results])
    if thread.changes:
        fields["left"] = codec.encode([thread.called, thread.called_one])
    return fields


def take_fields(codec: Codec, thread: ThreadRun, record: Mapping[str, bytes]) -> None:
    """Put back what `fields_of` has put into the run's record. DecodeError."""
    if "answers" in record:
        thread.answers, thread.lent, thread.single, asked = codec.decode(record["answers"])
        thread.asked = {task: set(questions) for task, questions in asked.items()}
    if "travel" in record:
        replay, settled, thread.keeps_results = codec.decode(record["travel"])
        thread.replay = None if replay is None else Replay(replay[0], tasks=dict(replay[1]))
        thread.settled = set(settled)
    if "left" in record:
        thread.called, thread.called_one = codec.decode(record["left"])
        thread.changes = 1


def place_again(
    loader: ThreadLoader,
    codec: Codec,
    p: int,
    head: ThreadHead,
    program: Program,
    shared: RunShared,
    record: Mapping[str, bytes],
) -> ThreadRun:
    """What a run that was begun by an owner before must know of its thread. `record` is the run's.

    However long the run is, no more is read than what stood there before it, and the newest of the graphs with one
    history. DecodeError, CellMissing, BlobMissing, NoBroker.
    """
    run = thread_run_of(head.id, shared.config, is_strict=True, updates=bool(shared.ns))
    run.last, run.version = head.last, head.version
    take_fields(codec, run, record)
    if "called" in record and head.base_head:
        oldest, newest = _oldest(head.base_head, head.base_called), head.base_row
        run.called = load_history(loader, codec, p, head.id, oldest, newest).called(
            None, (), CARRIED_BYTES_MAX if run.addressed else 0
        )
    if head.called:
        history = load_history(loader, codec, p, head.id, min(head.called.values(), key=place_of_row))
        for ns in histories(graph_at(program, shared.ns), joined_ns(shared.ns)):
            saved = history.get(ns)
            if saved is not None:
                run.saved[ns] = saved
        run.called_one = history.called_one(run.saved.keys())
    return run
