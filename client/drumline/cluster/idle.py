"""What a stream does when nothing comes: is anybody there to run its tasks, and does the run still exist?"""

from __future__ import annotations

import warnings

from drumline.cluster.attendance import missing_workers
from drumline.cluster.link import Link
from drumline_protocol.errors import RunExpired, UnknownRun
from drumline_transport.after_fork import late_import

#: of this many empty reads of a log, one looks whether the run is still there
CHECK_EVERY = 5


class Idle:
    """Called when a read of a run's log came back empty.

    The first time it warns if a task waits for a worker that is not there; then, now and again, it makes sure that the
    run still exists: a reader must not wait for ever on keys that somebody deleted. If a coordinator ends such a run,
    the end begins a new log, and may stand in front of where the reader is.
    """

    def __init__(self, link: Link, run_id: str, thread: str | None = None) -> None:
        self._link = link
        self._run_id = run_id
        self._thread = thread
        self._calls = 0
        #: the run had ended when it was looked at: its end is there to be read since then
        self._has_ended = False

    def __call__(self) -> None:
        self._calls += 1
        if self._calls == 1:
            self._warn_of_missing_workers()
        elif self._calls % CHECK_EVERY == 0:
            if self._has_ended:
                raise RunExpired(self._run_id)
            self._has_ended = self._link.check_readable(self._run_id, self._thread)

    def _warn_of_missing_workers(self) -> None:
        with late_import():
            from drumline.cluster.status import run_status

        try:
            status = run_status(self._link, self._run_id, self._thread)
        except UnknownRun:  # it was there: somebody reads its log
            raise RunExpired(self._run_id) from None
        for absent in missing_workers(self._link, status["graph"], status["open_tasks"]):
            warnings.warn(absent, stacklevel=7)
