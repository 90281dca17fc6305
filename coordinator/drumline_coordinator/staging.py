"""Staging: from effects of machines to the one commit that carries them out. No IO.

What a commit may hold is bounded: tasks and bytes of tasks by a window, so that a wide superstep leaves in several
commits; log entries by size, so that readers take them in portions. Whatever cannot be encoded costs its run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from drumline_coordinator.alarms import timer_member
from drumline_coordinator.below import task_thread
from drumline_coordinator.cells import bases_named
from drumline_coordinator.dispatch import NewToken
from drumline_coordinator.effects import Effects
from drumline_coordinator.heads import bases_in, head_facts
from drumline_coordinator.log_entries import TOLD_CHARS_MAX, entries_of, error_line, run_fields
from drumline_coordinator.metering import Over, Spans, Told
from drumline_coordinator.opened import OpenRun, Ruin
from drumline_coordinator.recovery import attempt_key
from drumline_coordinator.said_before import heard_in, part_of_task
from drumline_coordinator.tasks import Task
from drumline_coordinator.thread_loading import fields_of
from drumline_coordinator.thread_run import ThreadRun
from drumline_coordinator.thread_stage import Added, added_by, put_end, put_head, put_rows
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.facts import Fact, GraphKept, PlanMade, RunFinished, RunStarted
from drumline_protocol.failure import describe
from drumline_protocol.ids import token_digest
from drumline_protocol.keys import owner_of_thread
from drumline_protocol.limits import (
    DISPATCH_WINDOW_BYTES_MAX,
    DISPATCH_WINDOW_ENTRIES_MAX,
    HEAD_AFTER_BYTES_MIN,
    LOG_TTL_S,
    RUN_LOG_BYTES_MAX,
)
from drumline_protocol.messages import CallEnded, Cancel, RunShared, TimerDue
from drumline_protocol.threads import ThreadHead
from drumline_transport.broker import (
    CellAppend,
    Commit,
    FieldValue,
    InboxEntry,
    TaskAppend,
)
from drumline_transport.dead import DeadEntry, FailedRun

log = logging.getLogger("drumline.coordinator")

#: what a run that is on no thread adds to one
NOTHING_ADDED = Added([], "")
#: A new stream of Redis is given 4 KiB, and gives back what it does not use when it goes on to the next 4 KiB.
SHORT_LOG_BYTES_MAX = 8192

#: how many times what the last head takes the log must have grown by before the next one
HEAD_GROWTH = 2


class Stage:
    """One commit in the making."""

    def __init__(
        self,
        commit: Commit,
        codec: Codec,
        now_ms: float,
        new_token: NewToken,
        log_bytes_max: int = RUN_LOG_BYTES_MAX,
        told: Told | None = None,
        spans: Spans | None = None,
    ) -> None:
        self.commit = commit
        self._spans = spans
        #: what the commit tells, for who counts; None: nobody does
        self.told = told
        self._codec = codec
        self._now_ms = now_ms
        self._new_token = new_token
        self._log_bytes_max = log_bytes_max
        #: room for tasks
        self.entries_left = DISPATCH_WINDOW_ENTRIES_MAX
        self._bytes_left = DISPATCH_WINDOW_BYTES_MAX

    def hear(self, entry: InboxEntry, message: Any) -> None:
        """Note what a handled entry of the inbox tells: the run's log is likely to tell it again, byte for byte."""
        if type(message) is TimerDue:
            self.commit.timers_done.append(timer_member(message.run, message.task, message.attempt))
        heard = heard_in(entry, message)
        if heard is not None:
            self.commit.heard.append(heard)

    # -- runs that go on -----------------------------------------------------------------------------

    def run(self, open_run: OpenRun, effects: Sequence[Effects]) -> bool:
        """Put what follows for a run into the commit; True if that was its end.

        Nothing is put in if it raises: EncodeError, or whatever an encoder of the user raises.
        """
        facts = [fact for fx in effects for fact in fx.facts]
        messages = self._messages(open_run, effects)
        answers = [_answer(open_run, answer) for fx in effects for answer in fx.answers]
        appended = entries_of(open_run.run.id, open_run.last + 1, facts, open_run.dispatcher.codec)
        added = sum(len(append.data) for append in appended)
        thread, rows = open_run.thread, NOTHING_ADDED
        if thread is not None and not open_run.takes_back:
            rows = added_by(open_run.dispatcher.codec, thread, effects)
        for fact in facts:
            if type(fact) is PlanMade:
                open_run.planned[fact.ns] = f"{self.commit.epoch}-{open_run.last}"
        head = self._head(open_run, added)
        head_data = wire.encode_facts(open_run.dispatcher.codec, head) if head else b""
        # From here on nothing can fail.
        open_run.log_bytes += added
        open_run.unheaded_bytes += added
        self._send(open_run, messages)
        self._carry_out(open_run, effects)
        self.commit.ctl.extend(answers)
        if open_run.run.state.is_open:
            self._note_waiting(open_run)
        if open_run.run.thread is not None:
            self._put_untold(open_run, open_run.run.thread)
        if not appended:
            return False
        if thread is not None:
            self._put_thread(open_run, thread, rows, facts[-1])
        self.commit.logs.extend(appended)
        open_run.last = appended[-1].last
        open_run.bounded.note_named(open_run.last, (blob for fx in effects for blob in fx.named))
        if facts and type(facts[0]) is RunStarted:
            open_run.started = facts[0]
        end = facts[-1]
        if self.told is not None:
            self.told.note(open_run.run.shared.graph, facts, added)
        if not isinstance(end, RunFinished):
            if head:
                self._put_head(open_run, head, head_data)
            return False
        graph, at = open_run.run.shared.graph, "" if thread is None else thread.id
        shared, size = open_run.run.shared, open_run.log_bytes
        self._ended(open_run.run.id, graph, end, open_run.last, at, open_run.started, shared=shared, log_bytes=size)
        return True

    def _messages(self, open_run: OpenRun, effects: Sequence[Effects]) -> list[tuple[Task, str, bytes]]:
        """The messages of the tasks that fit, with their tokens; the rest waits for the next window."""
        messages: list[tuple[Task, str, bytes]] = []
        entries, size = self.entries_left, self._bytes_left
        for fx in effects:
            for index, task in enumerate(fx.dispatch):
                if entries <= 0 or size <= 0:
                    open_run.run.postpone(fx, fx.dispatch[index:])
                    break
                token = self._new_token()
                sent_in = "" if self._spans is None else self._spans.send(open_run, task, self.told)
                data = open_run.dispatcher.message(task, token, task_thread(open_run.run, task), sent_in)
                messages.append((task, token, data))
                if self.told is not None:
                    self.told.pools[task.node.pool] += 1
                entries -= 1
                size -= len(data)
        return messages

    def _send(self, open_run: OpenRun, messages: Sequence[tuple[Task, str, bytes]]) -> None:
        run_id, commit, shared = open_run.run.id, self.commit, open_run.dispatcher.shared
        for task, token, data in messages:
            key, digest = attempt_key(task.id, task.attempt), token_digest(token)
            open_run.digests[key] = digest
            commit.tasks.append(TaskAppend(run_id, key, task.node.pool, data, digest, part_of_task(task), shared))
            self.entries_left -= 1
            self._bytes_left -= len(data)

    def _carry_out(self, open_run: OpenRun, effects: Sequence[Effects]) -> None:
        run_id, commit = open_run.run.id, self.commit
        for fx in effects:
            for pairs, into in ((fx.settled, commit.settled), (fx.withdrawn, commit.withdrawn)):
                for task, attempt in pairs:
                    key = attempt_key(task, attempt)
                    open_run.digests.pop(key, None)
                    into.append((run_id, key))
            self._keep(open_run, fx)
            for due_ms, task, attempt in fx.timers:
                commit.timers.append((timer_member(run_id, task, attempt), round(due_ms)))
            commit.timers_done.extend(timer_member(run_id, task, attempt) for task, attempt in fx.timers_dropped)
            if fx.cancelled:
                commit.ctl.append(wire.encode(self._codec, Cancel(run_id, tuple(fx.cancelled))))

    def _keep(self, open_run: OpenRun, fx: Effects) -> None:
        """What the cell store gets, and what goes.

        What the run's head names stays until there is another head, and what a task's argument is made of until the
        task has ended: it goes with the next versions that go.
        """
        commit, run_id, bases = self.commit, open_run.run.id, open_run.head_bases
        if open_run.thread is not None:  # checkpoints name what it keeps: nothing goes
            owner = owner_of_thread(open_run.thread.id)
            commit.cells += [CellAppend(owner, x.cell, x.version, x.parent, x.data, run_id) for x in fx.rows]
            commit.blobs_kept.extend((owner, blob) for blob in fx.named)
            return
        for row in fx.rows:
            commit.cells.append(CellAppend(run_id, row.cell, row.version, row.parent, row.data))
        self._trim(open_run, [(row.cell, row.version) for row in fx.rows if row.trims and row.cell not in bases])
        for cell in fx.dropped:
            if cell in bases:
                open_run.dropped.append(cell)
            else:
                commit.cells_dropped.append((run_id, cell))
        commit.blobs_kept.extend((run_id, blob) for blob in fx.named)

    def _trim(self, open_run: OpenRun, lowest: Sequence[tuple[str, int]]) -> None:
        """Let go of versions: of each cell, those below one that is given, but for what arguments are made of."""
        if not lowest:
            return
        needed = bases_named(open_run.run.state.tasks.values())
        run_id, trimmed = open_run.run.id, self.commit.cells_trimmed
        trimmed.extend((run_id, cell, min(version, needed.get(cell, version))) for cell, version in lowest)

    def _head(self, open_run: OpenRun, added: int) -> list[Fact]:
        """A new head, once the log behind the last one is larger than that and than `HEAD_AFTER_BYTES_MIN`; or none.

        A small bound of the log asks for heads more often: it is cut at heads.
        """
        state, unheaded = open_run.run.state, open_run.unheaded_bytes + added
        if not state.is_open or open_run.started is None:
            return []
        if unheaded < max(min(HEAD_AFTER_BYTES_MIN, self._log_bytes_max // 4), HEAD_GROWTH * open_run.head_bytes):
            return []
        facts = head_facts(open_run.started, state, open_run.log_bytes + added, open_run.events_lie_behind())
        for fact in facts:
            for row in fact.tasks if type(fact) is GraphKept else ():
                if isinstance(row.error, BaseException):
                    row.error = describe(row.error, open_run.dispatcher.codec, "by the coordinator")
        return facts

    def _put_head(self, open_run: OpenRun, facts: list[Fact], data: bytes) -> None:
        commit, run_id = self.commit, open_run.run.id
        at = f"{commit.epoch}-{open_run.last}"
        commit.fields.append((run_id, {"head": data, "head_at": at}))
        open_run.unheaded_bytes, open_run.head_bytes = 0, len(data)
        cut = open_run.bounded.mark(run_id, facts, data, at, open_run.last, self._log_bytes_max)
        if cut is not None:
            commit.fields.append((run_id, dict(cut.fields)))
            if cut.upto:
                commit.logs_trimmed.append((run_id, cut.upto))
        if open_run.thread is not None:  # checkpoints name what it keeps
            return
        if cut is not None:
            commit.blobs_dropped.extend((run_id, blob) for blob in cut.blobs)
        former, open_run.head_bases = open_run.head_bases, open_run.bounded.bases(bases_in(facts))
        risen = [(cell, base) for cell, base in open_run.head_bases.items() if former.get(cell, base) < base]
        self._trim(open_run, risen)
        gone = [cell for cell in open_run.dropped if cell not in open_run.head_bases]
        commit.cells_dropped.extend((run_id, cell) for cell in gone)
        open_run.dropped = [cell for cell in open_run.dropped if cell in open_run.head_bases]

    def _put_thread(self, open_run: OpenRun, thread: ThreadHead, rows: Added, last: Fact) -> None:
        state, before = open_run.run.state, (thread.row, thread.version, thread.status, thread.run)
        if rows is not NOTHING_ADDED:
            put_rows(self.commit, thread, rows)
        called = "" if open_run.run.thread is None else open_run.run.thread.last
        thread.last = max(thread.last, state.checkpoint, called)
        thread.version = max(thread.version, state.version)
        if isinstance(last, RunFinished):
            is_root = not state.root_ns
            put_end(self.commit, thread, last, self._now_ms, takes_back=open_run.takes_back, is_root=is_root)
        if not open_run.told_thread or before != (thread.row, thread.version, thread.status, thread.run):
            open_run.told_thread = True
            put_head(self.commit, self._codec, thread, self._now_ms)

    def _put_untold(self, open_run: OpenRun, thread: ThreadRun) -> None:
        """Tell the record what no fact tells: at the beginning, and when it has changed."""
        untold = thread.untold
        if untold != open_run.untold:
            fields = fields_of(open_run.dispatcher.codec, thread, again=bool(open_run.untold))
            open_run.untold = untold
            if fields:
                self.commit.fields.append((open_run.run.id, fields))

    def _note_waiting(self, open_run: OpenRun) -> None:
        """Tell the set of runs whose tasks wait without an entry whether this is one of them."""
        waits = open_run.run.state.waits
        if waits != open_run.waits:
            open_run.waits = waits
            self.commit.waiting.append((open_run.run.id, waits))

    # -- runs that end without having gone on --------------------------------------------------------

    def reject(self, run_id: str, graph: str, end: RunFinished, recorded: Sequence[str] = (), **told: Any) -> None:
        """A run that cannot begin still has a log, of two facts: a client waits for it."""
        started = RunStarted(
            run_id,
            graph,
            "",
            tuple(recorded),
            {},
            told.get("metadata") or {},
            tuple(told.get("tags") or ()),
            self._now_ms,
            digest=told.get("digest", ""),
        )
        self.commit.logs.extend(entries_of(run_id, 1, [started, end], self._codec))
        if self.told is not None and end.status != "done":  # done: the answer to a client, and no run
            self.told.note(graph, [started], 0)
        self._ended(run_id, graph, end, 2, counts=end.status != "done", log_bytes=0)
        if told.get("thread"):
            self.commit.fields.append((run_id, {"thread": told["thread"]}))

    def wait(self, started: RunStarted, thread: str) -> None:
        """A run that waits, for its thread ("": it is on none) or its time: it has a record, and a log of one fact."""
        self.commit.logs.extend(entries_of(started.run_id, 1, [started], self._codec))
        if self.told is not None:
            self.told.note(started.graph, [started], 0)
        record: dict[str, FieldValue] = {"graph": started.graph, "status": "queued"}
        record["created_ms"] = int(self._now_ms)
        if thread:
            record["thread"] = thread
        self.commit.fields.append((started.run_id, record))

    def end_waiting(self, run_id: str, graph: str, end: RunFinished) -> None:
        """A run that has waited ends without having begun."""
        self.commit.logs.extend(entries_of(run_id, 2, [end], self._codec))
        self._ended(run_id, graph, end, 2)

    def ruin(self, ruin: Ruin) -> None:
        """An open run that cannot go on ends as failed, and says why; nobody works for it any more."""
        self._forget(ruin.run_id, ruin.attempts)
        if not ruin.readable:
            self.commit.deleted.append(ruin.run_id)
            return
        end = RunFinished("failed", ruin.error, self._now_ms)
        self.commit.logs.extend(entries_of(ruin.run_id, ruin.last + 1, [end], self._codec))
        self._ended(ruin.run_id, ruin.graph, end, ruin.last + 1)

    def delete(self, run_id: str, attempts: Sequence[str]) -> None:
        """Nothing of the run is to stay."""
        self._forget(run_id, attempts)
        self.commit.deleted.append(run_id)
        if self._spans is not None and self.told is not None:
            self.told.over.append(Over(run_id, RunFinished("cancelled", None, self._now_ms)))

    def _forget(self, run_id: str, attempts: Sequence[str]) -> None:
        self.commit.withdrawn.extend((run_id, key) for key in attempts)
        if attempts:
            self.commit.ctl.append(wire.encode(self._codec, Cancel(run_id)))

    def _ended(
        self,
        run_id: str,
        graph: str,
        end: RunFinished,
        last: int,
        thread: str = "",
        started: RunStarted | None = None,
        *,
        counts: bool = True,
        shared: RunShared | None = None,
        log_bytes: int = RUN_LOG_BYTES_MAX,
    ) -> None:
        commit = self.commit
        if self._spans is not None and self.told is not None:
            self.told.over.append(Over(run_id, end, started, shared))
        if counts and self.told is not None:
            self.told.end(graph, end, started)
        commit.fields.append((run_id, {"graph": graph, "status": end.status, "facts": last}))
        commit.closed.append((run_id, LOG_TTL_S))
        if log_bytes < SHORT_LOG_BYTES_MAX:
            commit.short_logs.append(run_id)
        if end.status == "failed":
            told = error_line(end.error)
            commit.failed.append(FailedRun(run_id, graph, int(self._now_ms), told))
            fields = run_fields(run_id, graph, thread, status=end.status, error=told)
            log.info("run %s of graph %s failed: %s", run_id, graph, told, extra=fields)
        else:
            fields = run_fields(run_id, graph, thread, status=end.status)
            log.info("run %s of graph %s ended: %s", run_id, graph, end.status, extra=fields)

    # -- entries -------------------------------------------------------------------------------------

    def set_aside(self, source: str, id_: str, run_id: str, reason: str, data: bytes) -> None:
        """Keep an entry that cannot be handled, for an operator to look at."""
        self.commit.dead.append(DeadEntry(source, id_, run_id, reason[:TOLD_CHARS_MAX], data).as_kept())


def _answer(open_run: OpenRun, answer: CallEnded) -> bytes:
    """The end of a call, for all workers."""
    codec = open_run.dispatcher.codec
    if isinstance(answer.error, BaseException):
        answer.error = describe(answer.error, codec, "by the coordinator")
    return wire.encode(codec, answer)
