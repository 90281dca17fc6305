"""Errors about what is kept of a thread. Import them from `drumline_protocol.errors`."""

from __future__ import annotations

from drumline_graph.errors import DrumlineError


class ThreadError(DrumlineError):
    """Root of the errors about what is kept of a thread."""


class ThreadConflict(ThreadError, RuntimeError):
    """Two runs went on from the same place of thread `thread` at the same time; this one came second, and nothing of
    its step was kept.

    `ns` is the namespace in the thread, `found` the checkpoint that the other run has put there, `seen` the newest one
    that this run had seen. One run at a time writes to a thread: wait until the other one has ended, then call again.
    """

    def __init__(self, thread: str, ns: str, found: str, seen: str) -> None:
        super().__init__(thread, ns, found, seen)
        self.thread = thread
        self.ns = ns
        self.found = found
        self.seen = seen

    def __str__(self) -> str:
        where = f"thread {self.thread!r}" + (f" at {self.ns!r}" if self.ns else "")
        return (
            f"another run has written checkpoint {self.found} to {where} since this run read it "
            f"(at {self.seen or 'its beginning'}). One run at a time writes to a thread: call again when that one has "
            "ended."
        )


class ThreadDamaged(ThreadError):
    """A checkpoint of a thread cannot be read: rows that it stands on are gone. `checkpoint` is the one that made them.

    Savers drop no row that a kept checkpoint needs, so somebody has deleted rows by hand, or a file is not whole.
    """

    def __init__(self, checkpoint: str) -> None:
        super().__init__(checkpoint)
        self.checkpoint = checkpoint

    def __str__(self) -> str:
        return f"rows that checkpoint {self.checkpoint!r} has made are gone from the thread's store"
