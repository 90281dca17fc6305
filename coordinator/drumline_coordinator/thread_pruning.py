"""What is dropped of a partition's threads: by the rules of their owners, when a client or a keeper asks. No IO but the
loader.

A thread is cut while no run holds it and nobody waits for it, by what the broker holds of it. What lies there is true
once all commits that concern it were answered, so a request that comes too early waits for that.
"""

from __future__ import annotations

import logging

from drumline_coordinator.later import LaterRuns
from drumline_coordinator.pruning import cut_of, is_over, put_cut, runs_before
from drumline_coordinator.thread_loading import rows_of_thread
from drumline_graph.errors import DrumlineError
from drumline_protocol.errors import InvalidRequest, NoBroker, ThreadBusy, UnknownThread
from drumline_protocol.ids import partition_of
from drumline_protocol.messages import NO_ANSWER, DeleteThread, PruneThread
from drumline_protocol.names import fault_of_name
from drumline_protocol.retention import Retention, retention_in
from drumline_protocol.threads import FAILED, PAUSED, ThreadHead, changed_fields
from drumline_transport.errors import ServerError

log = logging.getLogger("drumline.coordinator")


def _retention_in(message: PruneThread) -> Retention | None:
    """The rules that a message brings. InvalidRequest."""
    try:
        return retention_in(message.retention)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


class ThreadPruning(LaterRuns):
    """A part of `Partition`."""

    #: what holds for threads whose graph says nothing
    _retention: Retention | None

    def _prune_postponed(self) -> bool:
        """Do what had to wait for the answer to a commit; whether there was anything."""
        ready = self._threads.take_postponed()
        for message in ready:
            self._on_prune(message)
        return bool(ready)

    def _on_prune(self, message: PruneThread) -> None:
        """Drop what of a thread may go, or note the rules that it brings. Whoever asked is told what is wrong."""
        if message.run != NO_ANSWER and self._runs.is_known(message.run, self.answered):
            return
        try:
            if message.own:
                self._own(message)
            elif self._threads.is_settled(message.thread):
                self._prune(message)
            else:
                self._threads.postpone(message)
                return
        except NoBroker:
            raise
        except (DrumlineError, ServerError) as error:
            if message.run != NO_ANSWER:
                self._reject(message.run, "", error)
            elif not isinstance(error, ThreadBusy):
                log.warning("thread %s cannot be pruned: %s", message.thread, error)

    def _prune(self, message: PruneThread) -> None:
        thread = message.thread
        head = self._free_head(thread)
        for waiting in self._threads.waiting_on(thread):
            raise ThreadBusy(thread, waiting.run_id)
        retention = _retention_in(message) or self._holds_for(head)
        goes = False
        if retention is not None and retention.is_bounded and head.head:
            goes = not self._cut(head, retention)
        elif retention is not None and head.created_ms:
            goes = is_over(head, retention, self._now_ms)
        if goes:
            self._delete_thread(DeleteThread(message.run, thread))
        elif message.run != NO_ANSWER:
            self._confirm(message.run, head.graph, thread)

    def _own(self, message: PruneThread) -> None:
        """The rules of a thread from now on, also of one that a run holds."""
        given = _retention_in(message)
        head, held = self._head_to_note(message.thread)
        if not head.created_ms:
            raise UnknownThread(head.id)
        head.retention = {} if given is None else given.as_dict()
        self._stage.commit.threads.append((head.id, head.updated_ms, changed_fields(self._codec, head)))
        if not held:
            self._threads.changes(head, self.number + 1)
        self._confirm(message.run, head.graph, message.thread)

    def _head_to_note(self, thread: str) -> tuple[ThreadHead, bool]:
        """The head of a thread of which something is to be noted, and whether a run holds it. InvalidRequest."""
        fault = fault_of_name(thread)
        if fault is not None or partition_of(thread, self._loader.partitions) != self.index:
            raise InvalidRequest(f"thread {fault or 'lives in another partition'}")
        holder = self._threads.holder(thread, self._threads.head(thread))
        held = holder and self._find(holder)  # read first: what a run that holds it knows is written when it ends
        return self._threads.head(thread), bool(held)

    def _holds_for(self, head: ThreadHead) -> Retention | None:
        """The rules of the thread, else of its graph, else of the cluster. InvalidRequest for rules that are none."""
        try:
            own = retention_in(head.retention)
        except ValueError as error:
            raise InvalidRequest(f"the rules of thread {head.id!r} cannot be read: {error}") from None
        program = self._apps.programs.get(head.graph)
        return own or (None if program is None else program.retention) or self._retention

    def _cut(self, head: ThreadHead, retention: Retention) -> bool:
        """Drop what goes; False if nothing stays. DecodeError, NoBroker."""
        rows = rows_of_thread(self._loader, self.index, head.id)
        codec = self._apps.codec_of(head.graph) if head.graph in self._apps.programs else self._codec
        waits, named = head.status in (PAUSED, FAILED), set(head.called.values())
        cut = cut_of(codec, rows, retention, self._now_ms, waits=waits, named=named)
        if cut is None:
            return False
        if cut.rows:
            put_cut(self._stage.commit, head.id, cut)
            for run_id in runs_before(self._loader.runs_of_thread(self.index, head.id), cut.since_ms):
                self._delete(run_id)
            self._threads.changes(head, self.number + 1)
            log.info("thread %s: %d rows of its history were dropped", head.id, len(cut.rows))
        return True

    def _delete(self, run_id: str) -> None:
        raise NotImplementedError
