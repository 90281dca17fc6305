"""`RunControl`: who holds one asks runs to stop at the end of their open supersteps."""

from __future__ import annotations

from collections.abc import Callable


class RunControl:
    """Asks the runs that were given it (`control=`) to stop at the end of their open supersteps (LangGraph's).

    Safe to call from any thread. Once asked it stays so: use another one for the next run.
    """

    __slots__ = ("_drain_reason", "_watchers")

    def __init__(self) -> None:
        self._drain_reason: str | None = None
        self._watchers: list[Callable[[str], None]] = []

    def request_drain(self, reason: str = "shutdown") -> None:
        """Ask for it. The run ends with `GraphDrained`; on a thread it goes on with the input None.

        A run of a cluster hears of it as soon as its coordinator does: by then the next superstep may have begun.
        """
        self._drain_reason = reason
        for told in list(self._watchers):
            told(reason)

    @property
    def drain_requested(self) -> bool:
        """Whether somebody has asked."""
        return self._drain_reason is not None

    @property
    def drain_reason(self) -> str | None:
        """Why, if so."""
        return self._drain_reason

    def watch(self, told: Callable[[str], None]) -> None:
        """Call `told` with the reason when somebody asks, in the thread that does."""
        self._watchers.append(told)

    def unwatch(self, told: Callable[[str], None]) -> None:
        """See `watch`."""
        if told in self._watchers:
            self._watchers.remove(told)
