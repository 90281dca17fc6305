"""Runs that are to begin later: accepted now, asleep until a timer rings. No IO but the loader.

A run that sleeps lies where requests lie that wait for their thread, and holds nothing. When its time has come it is as
if its request came then: its thread is looked at, and it begins, waits in the queue, or is refused. The timer lies
with the others, so neither a crash nor a takeover loses it.
"""

from __future__ import annotations

import logging

from drumline_coordinator.alarms import BEGIN, begin_member
from drumline_coordinator.log_entries import run_fields
from drumline_coordinator.started import started_fact
from drumline_coordinator.thread_config import thread_of_request
from drumline_coordinator.thread_desk import LATER
from drumline_coordinator.thread_requests import ThreadRequests
from drumline_graph.errors import DrumlineError
from drumline_graph.program import Program
from drumline_protocol.messages import RunRequest, TimerDue
from drumline_transport.broker import QueueRow

log = logging.getLogger("drumline.coordinator")


class LaterRuns(ThreadRequests):
    """A part of `Partition`."""

    def _put_off(self, name: str, program: Program, request: RunRequest, data: bytes) -> None:
        """A request that was checked: its run begins in `request.after_ms`. `data` is the request as it came."""
        run_id, thread = request.run_id, thread_of_request(request) or ""
        try:
            if thread:
                self._check_thread(thread, request, program)
        except DrumlineError as error:
            self._reject(run_id, name, error, request)
            return
        commit = self._stage.commit
        commit.queued.append(self._threads.enqueue(thread, run_id, LATER, data))
        due_ms = round(self._now_ms) + request.after_ms
        commit.timers.append((begin_member(run_id), due_ms))
        self._stage.wait(started_fact(name, program, request, self._now_ms, thread), thread)
        if thread:
            commit.thread_runs.append((thread, run_id, 0))
        fields = run_fields(run_id, name, thread)
        log.info("run %s of graph %s begins in %d ms", run_id, name, request.after_ms, extra=fields)

    def _on_alarm(self, message: TimerDue) -> bool:
        """Whether a timer is of a run that is to begin, perhaps of one that does not sleep any more."""
        if message.task != BEGIN:
            return False
        row = self._threads.asleep(message.run)
        if row is not None:
            self._take_from_queue(row, self._wake)
        return True

    def _wake(self, row: QueueRow) -> None:
        """The time of a run has come: it begins, or waits for its thread. Raises why it is refused."""
        name, program, codec, request = self._request_of(row)
        thread = row.thread
        if not thread:
            self._open(name, program, codec, request, None, row)
            return
        head = self._threads.head(thread)
        holder = self._threads.holder(thread, head)
        waits = holder or self._threads.next_on(thread)
        if waits and request.strategy in ("", "reject"):
            self._refuse_busy(request, thread, head, holder)
        if not waits and self._threads.is_settled(thread):
            self._open(name, program, codec, request, head, row)
            return
        strategy = request.strategy or "enqueue"
        self._stage.commit.queued.append(self._threads.enqueue(thread, row.run_id, strategy, row.data))
        if holder:
            self._press(holder, thread)
