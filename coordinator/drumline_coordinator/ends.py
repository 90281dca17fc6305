"""Runs of a partition that end without having come to their end: refused, deleted, damaged, unwritable. No IO."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from drumline_coordinator.opened import UNREADABLE, OpenRun, Ruin
from drumline_coordinator.thread_config import thread_of_request
from drumline_coordinator.thread_describing import ThreadDescribing
from drumline_protocol.errors import DamagedRun
from drumline_protocol.facts import RunFinished
from drumline_protocol.messages import RunDamaged, RunRequest

log = logging.getLogger("drumline.coordinator")


class Ends(ThreadDescribing):
    """A part of `Partition`."""

    _epilogue: dict[str, BaseException]
    _touched: dict[str, OpenRun]

    def _reject(
        self, run_id: str, graph: str, error: BaseException, request: RunRequest | None = None, status: str = "failed"
    ) -> None:
        end = RunFinished(status, error, self._now_ms)
        if request is None:
            self._stage.reject(run_id, graph, end)
        else:
            told = {"metadata": request.config.get("metadata"), "tags": request.config.get("tags")}
            thread = thread_of_request(request) or ""
            self._stage.reject(run_id, graph, end, request.recorded, digest=request.digest, thread=thread, **told)
        self._forget(run_id)

    def _delete(self, run_id: str) -> None:
        self._leave_queue(run_id, None)
        open_run = self._find(run_id)
        attempts = [] if open_run is None else list(open_run.digests)
        self._forget(run_id, deleted=True)
        self._stage.delete(run_id, attempts)

    def _on_damaged(self, message: RunDamaged) -> None:
        """Somebody deleted keys of an open run. Delete the rest of it, and tell whoever waits for it."""
        run_id = message.run
        if run_id in self._runs.over:
            return
        if self._runs.record(run_id):
            if self._runs.is_damaged(run_id):  # a worker may say it of any run
                self._end_unread(run_id, DamagedRun(run_id, message.reason))
        else:
            log.error("run %s is forgotten: %s", run_id, message.reason)
            self._delete(run_id)

    def _end_unread(self, run_id: str, error: Exception) -> None:
        """End a run, open or not begun, without recovering it."""
        if run_id in self._runs.over:
            return
        record = self._runs.record(run_id)
        if record and record is not UNREADABLE and record.get("status", b"open") != b"open":
            return
        ruin = self._runs.ruin(run_id, error)
        if not record and ruin.readable:
            self._reject(run_id, "", error)
        else:
            self._end_ruin(ruin)

    def _end_ruin(self, ruin: Ruin) -> None:
        log.error("run %s cannot go on: %s", ruin.run_id, ruin.error)
        self._forget(ruin.run_id, ruin=ruin)
        self._stage.ruin(ruin)
        if not ruin.readable:
            self._epilogue[ruin.run_id] = ruin.error

    def _find(self, run_id: str) -> OpenRun | None:
        known = run_id in self._runs.loaded
        found = self._runs.find(run_id)
        if isinstance(found, Ruin):
            self._end_ruin(found)
            return None
        if not known and found is not None and found.thread is not None:
            self._threads.begins(run_id, found.thread)
            self._press(run_id, found.thread.id)
        return found

    def _forget(self, run_id: str, *, deleted: bool = False, ruin: Ruin | None = None) -> None:
        thread = "" if ruin is None else ruin.thread
        self._free_thread(run_id, self._runs.loaded.get(run_id), thread, "cancelled" if deleted else "failed")
        self._runs.forget(run_id, 0 if deleted else self.number + 1)
        self._touched.pop(run_id, None)

    def _end_unwritten(self, open_run: OpenRun, facts: Sequence[Any], error: BaseException) -> None:
        """End a run with an error in place of what cannot be written; its memory is ahead of its log, so it goes."""
        run = open_run.run
        self._forget(run.id)
        if open_run.last:
            self._stage.ruin(Ruin(run.id, run.shared.graph, error, open_run.last, list(open_run.digests)))
            return
        end, first = RunFinished("failed", error, self._now_ms), facts[0]
        told = {"metadata": first.metadata, "tags": first.tags, "digest": first.digest}
        self._stage.reject(run.id, run.shared.graph, end, first.recorded, **told)
