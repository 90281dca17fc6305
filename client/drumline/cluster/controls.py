"""`control=` on a cluster: who holds a `RunControl` asks a run elsewhere to stop at the end of its superstep."""

from __future__ import annotations

import threading
from typing import Any

from drumline.cluster.link import Link


class ControlledRun:
    """Passes on to a run what is asked of a control, once.

    drumline's `RunControl` tells at once. Any other, as LangGraph's, is looked at whenever the stream has read.
    """

    def __init__(self, control: Any, link: Link, run_id: str, thread: str | None) -> None:
        self._control = control
        self._link = link
        self._run_id = run_id
        self._thread = thread
        self._lock = threading.Lock()
        self._asked = False

    def begin(self) -> None:
        """The run was asked for: what its control says from now on, or has said, is passed on."""
        if hasattr(self._control, "watch"):
            self._control.watch(self._hear)
        self.look()

    def _hear(self, _reason: str) -> None:
        self.look()

    def look(self) -> None:
        """Pass on what the control says. Another thread sends it: whoever asks does not wait for the broker."""
        reason = self._control.drain_reason
        if not reason:
            return
        with self._lock:
            asked, self._asked = self._asked, True
        if not asked:
            self._link.canceller.soon(lambda: self._link.drain(self._run_id, reason, self._thread))

    def end(self) -> None:
        """The run has ended, or nobody reads it any more."""
        if hasattr(self._control, "unwatch"):
            self._control.unwatch(self._hear)
