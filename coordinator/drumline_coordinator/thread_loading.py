"""Threads as they are found in what the broker holds. No IO but the loader that is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from drumline_coordinator.loading import Loading, histories, load
from drumline_coordinator.thread_config import thread_run_of
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_protocol.cells import CellRow
from drumline_protocol.checkpoints import Saved, outcomes
from drumline_protocol.codec import Codec
from drumline_protocol.history import History, first_row_of
from drumline_protocol.threads import ThreadHead, head_in
from drumline_transport.broker import CellRead, HistoryRow, QueueRow
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
    loader: ThreadLoader, codec: Codec, p: int, thread: str, oldest: str = "-", *, resolves: bool = False
) -> History:
    """The history of a thread from the row `oldest` on. NoBroker."""
    rows = rows_of_thread(loader, p, thread, oldest)
    return History(codec, thread, rows, lambda cells, blobs: loader.read_values(p, cells, blobs), resolves=resolves)


def rows_of_thread(loader: ThreadLoader, p: int, thread: str, oldest: str = "-") -> list[HistoryRow]:
    """The rows of a thread's history from `oldest` on. NoBroker."""
    rows: list[HistoryRow] = []
    while True:
        page = loader.read_history(p, thread, oldest)
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
) -> ThreadRun:
    """What a run that begins on the thread must know of it.

    DecodeError, CellMissing and BlobMissing for a damaged thread, NoBroker, and whatever planning raises.
    """
    run = thread_run_of(head.id, config, is_strict=True)
    run.last, run.version, run.answered, run.former = head.last, head.version, head.answered, head.run
    places = [*run.addressed.values(), *([head.head] if head.head else [])]
    if not places:
        return run
    goes_back = bool(run.addressed) or any(histories(program, ""))  # graphs below may stand anywhere
    history = load_history(loader, codec, p, head.id, "-" if goes_back else first_row_of(min(places)))
    run.saved = _loaded(load(program, run, "", input), history)
    run.values = history.values
    asking = {
        task
        for saved in run.saved.values()
        for task, outcome in outcomes(saved.pending).items()
        if not outcome.has_ended
    }
    run.called = history.called(asking, run.saved.keys())
    return run


def _loaded(loading: Loading, history: History) -> dict[str, Saved]:
    saved: Saved | None = None
    try:
        read = next(loading)
        while True:
            saved = history.get(read.ns, read.checkpoint, read.before)
            read = loading.send(saved)
    except StopIteration as stop:
        found: dict[str, Saved] = stop.value
        return found


def place_again(
    loader: ThreadLoader, codec: Codec, p: int, head: ThreadHead, config: Mapping[str, Any], answers: dict[str, Any]
) -> ThreadRun:
    """What a run that was begun by an owner before must know of its thread."""
    run = thread_run_of(head.id, config, is_strict=True)
    run.last, run.version, run.answers = head.last, head.version, answers
    if answers and head.base_head:
        history = load_history(loader, codec, p, head.id, first_row_of(head.base_head))
        run.called = history.called_by_all()
    return run
