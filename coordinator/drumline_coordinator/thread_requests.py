"""What clients ask of a partition's threads: runs on them, changes from outside, that they go. No IO but the loader.

A thread has one writer. A run holds it from the commit in which it begins to that in which it ends; a second one waits
in the partition's queue, or is refused. It begins when the broker has answered for all that was decided of the thread
before, so that what it reads there is true.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from drumline_coordinator.alarms import begin_member
from drumline_coordinator.apps import Apps
from drumline_coordinator.beginning import begin_run
from drumline_coordinator.effects import Effects
from drumline_coordinator.held_rows import holders_of
from drumline_coordinator.loading import graph_at
from drumline_coordinator.log_entries import run_fields
from drumline_coordinator.metering import Spans
from drumline_coordinator.opened import Loader, OpenRun, OpenRuns
from drumline_coordinator.outside import keep_large
from drumline_coordinator.staging import Stage
from drumline_coordinator.started import started_fact
from drumline_coordinator.thread_config import metadata_kept, root_of, thread_of_request
from drumline_coordinator.thread_desk import LATER, SEEN, ThreadDesk
from drumline_coordinator.thread_loading import place_of_run
from drumline_coordinator.thread_stage import put_head, put_rows, rows_of
from drumline_coordinator.within import below_kept, place_within
from drumline_graph.errors import DrumlineError, UnknownInterruptError
from drumline_graph.program import Program
from drumline_graph.types import Command
from drumline_protocol import wire
from drumline_protocol.codec import Codec, unbox
from drumline_protocol.errors import (
    DecodeError,
    InvalidRequest,
    NoBroker,
    RunCancelled,
    ThreadBusy,
    ThreadMoved,
)
from drumline_protocol.facts import RunFinished
from drumline_protocol.ids import partition_of
from drumline_protocol.keys import owner_of_thread
from drumline_protocol.messages import NO_ANSWER, CancelRun, DeleteThread, RunRequest, StopRun, ThreadSaves
from drumline_protocol.names import fault_of_name
from drumline_protocol.thread_rows import save_in
from drumline_protocol.threads import BUSY, STRATEGIES, ThreadHead
from drumline_protocol.trace_context import checked
from drumline_transport.broker import CellAppend, Lease, QueueRow
from drumline_transport.errors import ServerError

log = logging.getLogger("drumline.coordinator")


#: as `ThreadSaves.head`: wherever the thread stands
ANYWHERE = "*"


class ThreadRequests:
    """A part of `Partition`."""

    index: int
    number: int
    answered: int
    lease: Lease
    _apps: Apps
    _codec: Codec
    _loader: Loader
    _runs: OpenRuns
    _threads: ThreadDesk
    _stage: Stage
    _now_ms: float
    _spans: Spans | None

    def _add_effects(self, open_run: OpenRun, fx: Effects) -> None:
        raise NotImplementedError

    def _reject(
        self, run_id: str, graph: str, error: BaseException, request: RunRequest | None = None, status: str = "failed"
    ) -> None:
        raise NotImplementedError

    def _find(self, run_id: str) -> OpenRun | None:
        raise NotImplementedError

    def _delete(self, run_id: str) -> None:
        raise NotImplementedError

    # -- runs ---------------------------------------------------------------------------------------

    def _begin(self, name: str, program: Program, codec: Codec, request: RunRequest, data: bytes) -> None:
        """A request that was checked: its run begins, waits, or is refused. `data` is the request as it came."""
        thread = thread_of_request(request)
        if thread is None:
            self._open_or_reject(name, program, codec, request, None)
            return
        try:
            self._check_thread(thread, request, program)
            head = self._threads.head(thread)
            holder = self._threads.holder(thread, head)
            if (holder or self._threads.next_on(thread)) and request.strategy in ("", "reject"):
                self._refuse_busy(request, thread, head, holder)
        except NoBroker:
            raise
        except (DrumlineError, ServerError) as error:
            self._reject(request.run_id, name, error, request)
            return
        if holder or self._threads.next_on(thread) or not self._threads.is_settled(thread):
            self._enqueue(name, program, thread, request, data)
            if holder:
                self._press(holder, thread)
        else:
            self._open_or_reject(name, program, codec, request, head)

    def _open_or_reject(
        self, name: str, program: Program, codec: Codec, request: RunRequest, head: ThreadHead | None
    ) -> None:
        try:
            self._open(name, program, codec, request, head)
        except NoBroker:
            raise
        except Exception as error:  # what lies of the thread is damaged, or does not fit the graph any more
            if head is None and request.below is None:
                raise
            log.warning("run %s cannot begin on its thread: %s", request.run_id, error)
            self._reject(request.run_id, name, error, request)

    def _check_thread(self, thread: str, request: RunRequest, program: Program) -> None:
        fault = fault_of_name(thread)
        if fault is not None:
            raise InvalidRequest(f"config.configurable.thread_id {fault}")
        if request.strategy and request.strategy not in STRATEGIES:
            raise InvalidRequest(f"strategy must be one of {', '.join(STRATEGIES)}, not {request.strategy!r}")
        if partition_of(thread, self._loader.partitions) != self.index:
            raise InvalidRequest(f"thread {thread!r} lives in another partition: name it beside the id of the run")
        graph_at(program, root_of(request))

    def _refuse_busy(self, request: RunRequest, thread: str, head: ThreadHead, holder: str) -> None:
        """ThreadBusy, or UnknownInterruptError for an answer: the first one wins."""
        run = holder or next(row.run_id for row in self._threads.waiting_on(thread))
        if request.strategy == "reject":
            raise ThreadBusy(thread, run)
        given = request.input
        if isinstance(given, Command) and given.resume is not None:
            ids = sorted(given.resume) if isinstance(given.resume, dict) else []
            winner = next((head.answered[id_] for id_ in ids if id_ in head.answered), run)
            raise UnknownInterruptError(
                f"No question of thread {thread!r} waits for an answer: it was answered already, by run {winner}.",
                reason="not_pending",
                interrupt_ids=[str(id_) for id_ in ids],
            )

    def _open(
        self,
        name: str,
        program: Program,
        codec: Codec,
        request: RunRequest,
        head: ThreadHead | None,
        row: QueueRow | None = None,
    ) -> None:
        """Begin a run, on the thread of that head; `row`: it has waited, and its first fact is told."""
        run_id, thread, made_ms = request.run_id, None, 0.0
        if head is None and request.below is not None:
            thread = place_within(codec, program, request.below, request.config, request.input)
        elif head is not None:
            made_ms = head.created_ms
            given, root = unbox(request.input), root_of(request)
            thread = place_of_run(
                self._loader,
                codec,
                self.index,
                head,
                program,
                request.config,
                given,
                root,
                seen=SEEN,
                place=(self._threads.life,),
            )
            for note in thread.notes:
                log.warning("run %s: %s", run_id, note, extra=run_fields(run_id, name, head.id))
        if self._spans is None:
            request.traceparent, request.tracestate = checked(request.traceparent, request.tracestate)
        else:
            self._spans.begin(request, name, program, "" if head is None else head.id, self._now_ms)
        open_run, record = begin_run(self.index, name, program, codec, request, self._now_ms, thread, made_ms)
        self._runs.begin(run_id, open_run)
        if head is not None:
            fingerprint, metadata = program.fingerprint, metadata_kept(request.config)
            head.begin(run_id, name, fingerprint, int(self._now_ms), metadata)
            open_run.thread = head
            self._threads.begins(run_id, head)
            self._stage.commit.thread_runs.append((head.id, run_id, 0))
        self._stage.commit.opened.append(run_id)
        thread_id = "" if head is None else head.id
        log.info("run %s of graph %s begins", run_id, name, extra=run_fields(run_id, name, thread_id))
        fx = open_run.run.start(request, self._now_ms)
        if thread is not None and head is not None and thread.answers:
            head.note_answers(thread.answers, run_id)
        if request.below is not None and head is None:
            record.update(below_kept(codec, request.below))
        elif thread is not None and thread.called:
            record["called"] = "1"
        self._stage.commit.fields.append((run_id, record))
        if row is not None:
            open_run.last = 1
            open_run.started = fx.facts.pop(0)  # type: ignore[assignment]
        self._add_effects(open_run, fx)

    # -- runs that wait -----------------------------------------------------------------------------

    def _enqueue(self, name: str, program: Program, thread: str, request: RunRequest, data: bytes) -> None:
        """The request waits, in the partition's keys; its run has a log from now on, so it is accepted."""
        strategy = request.strategy or "enqueue"
        self._stage.commit.queued.append(self._threads.enqueue(thread, request.run_id, strategy, data))
        self._stage.wait(started_fact(name, program, request, self._now_ms, thread), thread)
        self._stage.commit.thread_runs.append((thread, request.run_id, 0))
        fields = run_fields(request.run_id, name, thread)
        log.info("run %s of graph %s waits for thread %s", request.run_id, name, thread, extra=fields)

    def _press(self, holder: str, thread: str) -> None:
        """Do to the run in the way what the next one that waits asks for."""
        row = self._threads.next_on(thread)
        strategy = "" if row is None else row.strategy
        if strategy not in ("interrupt", "rollback"):
            return
        open_run = self._find(holder)
        if open_run is None or row is None:
            return
        if strategy == "interrupt":
            self._add_effects(open_run, open_run.run.handle(StopRun(holder), self._now_ms))
        elif not open_run.takes_back:
            open_run.takes_back = True
            why = f"run {row.run_id} on its thread rolled it back"
            self._add_effects(open_run, open_run.run.handle(CancelRun(holder, why), self._now_ms))

    def _begin_waiting(self) -> bool:
        """Begin what waits for a thread that is free now; whether there was such a run."""
        due = list(self._threads.due())
        for row in due:
            self._take_from_queue(row, self._begin_row)
        return bool(due)

    def _take_from_queue(self, row: QueueRow, begin: Callable[[QueueRow], None]) -> None:
        """A request waits no more. Its run ends with what `begin` raises. NoBroker."""
        self._threads.leaves(row.run_id)
        self._stage.commit.unqueued.append(row.id)
        try:
            begin(row)
        except NoBroker:
            raise
        except Exception as error:
            if not isinstance(error, (DrumlineError, ServerError)):
                log.exception("run %s cannot begin", row.run_id)
            self._end_row(row, error)

    def _begin_row(self, row: QueueRow) -> None:
        self._open(*self._request_of(row), self._threads.head(row.thread), row)

    def _request_of(self, row: QueueRow) -> tuple[str, Program, Codec, RunRequest]:
        """What `_open` needs of a request that has waited. DrumlineError if it cannot begin any more."""
        request = wire.decode(self._codec, row.data)
        if not isinstance(request, RunRequest) or (thread_of_request(request) or "") != row.thread:
            raise DecodeError("what waits for a thread is no request of a run on it", len(row.data))
        name = self._apps.served_name(request.graph, request.fingerprint)
        program, codec = self._apps.find(name), self._apps.codec_of(name)
        request = self._apps.as_of(name, request, row.data)
        request.graph, request.input = name, unbox(request.input)
        return name, program, codec, request

    def _end_row(self, row: QueueRow, error: BaseException) -> None:
        """A run that has waited ends without having begun."""
        status = "cancelled" if isinstance(error, RunCancelled) else "failed"
        graph = self._loader.load_run(self.index, row.run_id).get("graph", b"").decode("utf-8", "replace")
        self._stage.end_waiting(row.run_id, graph, RunFinished(status, error, self._now_ms))
        if row.thread:
            self._stage.commit.thread_runs.append((row.thread, row.run_id, int(self._now_ms)))
        self._runs.forget(row.run_id, self.number + 1)

    def _leave_queue(self, run_id: str, error: BaseException | None) -> bool:
        """Whether a run waited or slept. It does no more; with `error` its log says why."""
        row = self._threads.leaves(run_id)
        if row is None:
            return False
        self._stage.commit.unqueued.append(row.id)
        if row.strategy == LATER:
            self._stage.commit.timers_done.append(begin_member(run_id))
        if error is not None:
            self._end_row(row, error)
        return True

    # -- ends ---------------------------------------------------------------------------------------

    def _free_thread(self, run_id: str, open_run: OpenRun | None, thread: str, status: str) -> None:
        """A run is over, however that came: its thread is free with the commit that is being made.

        `thread` is what its record says, if it is not in memory. `status`: how it ended, if it did not end by itself.
        """
        if open_run is not None:
            thread = "" if open_run.thread is None else open_run.thread.id
        if not thread:
            return
        try:
            head = self._threads.head(thread)
        except DecodeError:
            log.exception("the head of thread %s is damaged", thread)
            return
        if head.run == run_id:
            self._threads.begins(run_id, head)
        if self._threads.ends(run_id, thread, self.number + 1) and head.status == BUSY:
            head.end(status)
            self._stage.commit.thread_runs.append((thread, run_id, int(self._now_ms)))
            put_head(self._stage.commit, self._codec, head, self._now_ms)

    # -- from outside of any run --------------------------------------------------------------------

    def _from_outside(self, message: ThreadSaves | DeleteThread) -> None:
        """A client asks for something that is no run. The same message twice is answered once."""
        if self._runs.is_known(message.run, self.answered):
            return
        if isinstance(message, ThreadSaves):
            self._save_outside(message)
        else:
            self._delete_thread(message)

    def _save_outside(self, message: ThreadSaves) -> None:
        """Somebody adds to a thread: what `update_state` makes."""
        try:
            head = self._free_head(message.thread)
            if message.head not in (head.head, ANYWHERE):
                raise ThreadMoved(message.thread, head.head, message.head)
            codec = self._apps.codec_of(message.graph)
            saves = [save_in(codec, data) for data in message.rows]
            rows = keep_large(codec, head, saves)
            added = rows_of(codec, head, saves, holders_of(saves, rows, codec.encode))
        except NoBroker:
            raise
        except (DrumlineError, ServerError) as error:
            self._reject(message.run, message.graph, error)
            return
        owner = owner_of_thread(head.id)
        self._stage.commit.cells += [CellAppend(owner, x.cell, x.version, x.parent, x.data) for x in rows]
        put_rows(self._stage.commit, head, added)
        head.take_in(saves, message.graph, int(self._now_ms))
        put_head(self._stage.commit, self._codec, head, self._now_ms)
        self._threads.changes(head, self.number + 1)
        self._confirm(message.run, message.graph, message.thread)

    def _free_head(self, thread: str) -> ThreadHead:
        fault = fault_of_name(thread)
        if fault is not None or partition_of(thread, self._loader.partitions) != self.index:
            raise InvalidRequest(f"thread {fault or 'lives in another partition'}")
        head = self._threads.head(thread)
        holder = self._threads.holder(thread, head)
        if holder:
            raise ThreadBusy(thread, holder)
        return head

    def _delete_thread(self, message: DeleteThread) -> None:
        """Nothing of a thread is to stay, nor of its runs."""
        thread = message.thread
        try:
            head = self._threads.head(thread)
        except DecodeError:
            head = ThreadHead(thread)
        holder = self._threads.holder(thread, head)
        for row in self._threads.waiting_on(thread):
            self._leave_queue(row.run_id, None)
            self._delete(row.run_id)
        if holder:
            self._delete(holder)
        self._stage.commit.threads_deleted.append(thread)
        self._threads.forget(thread)
        self._threads.changes(ThreadHead(thread), self.number + 1)
        if message.run != NO_ANSWER:  # nobody waits for what retention deletes
            self._confirm(message.run, "", "")

    def _confirm(self, run_id: str, graph: str, thread: str) -> None:
        """Whoever asked is told: a log of two facts."""
        self._stage.reject(run_id, graph, RunFinished("done", None, self._now_ms))
        if thread:
            self._stage.commit.thread_runs.append((thread, run_id, int(self._now_ms)))
        self._runs.forget(run_id, self.number + 1)
