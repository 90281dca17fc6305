"""The runs of a thread, one after another, as somebody reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

from drumline_gateway.service import Bell, Row, Service
from drumline_protocol.errors import ClusterError

#: runs that a reader gets who has nothing yet, and among which one is looked for that a reader was in
RUNS_MAX = 20
#: how often one looks whether a run has begun that waits for its thread or its time
_QUEUED_S = 0.5


class EventsMissed(ClusterError):
    """A reader of a thread comes back to events that are gone: the run that they were of was deleted, or its log."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Events were missed: {what}. Read the state of the thread, and go on from there.")


#: what is known of a thread, if the caller may see it; None: there is none yet. Raises if the caller may not
Look = Callable[[], Awaitable[Row | None]]
#: Of the runs that are there, the oldest first, those with which a reader begins, and what is gone of them.
Begin = Callable[[list[Row], Bell], Awaitable[tuple[list[Row], EventsMissed | None]]]


class ThreadRuns:
    """Reads which runs a thread has. `look` is asked before each: the thread may be made, or deleted, meanwhile."""

    def __init__(self, service: Service, thread: str, look: Look, begin: Begin) -> None:
        self._service = service
        self._thread = thread
        self._look = look
        self._begin = begin
        #: the runs that the reader has, or does not want: none that is older, and of the others those
        self._oldest_ms = 0
        self._done: deque[str] = deque(maxlen=4 * RUNS_MAX)

    async def each(self, bell: Bell) -> AsyncGenerator[Row | EventsMissed, None]:
        """The runs, the oldest first. Never ends by itself: the next one is waited for. UnknownThread, NoBroker.

        An exception among them tells what was missed.
        """
        rows = await self._rows()
        begun, missed = await self._begin(rows, bell)
        if rows:
            self._oldest_ms = (begun or rows[-1:])[0]["began_ms"]
            # One that waits is told of when it begins, behind all that were there before it, wherever it stands now.
            self._done.extend(row["run_id"] for row in rows if row not in begun and row["status"] != "queued")
        if missed is not None:
            yield missed
        while True:
            new = [row for row in rows if self._is_new(row)]
            # One that waits for its time would hold up those that begin before it.
            run = next((row for row in new if row["status"] != "queued"), None)
            if run is None:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(bell.wait(), _QUEUED_S if new else None)
            else:
                self._done.append(run["run_id"])
                yield run
            rows = await self._rows(further=True)

    def _is_new(self, row: Row) -> bool:
        is_to_come = row["status"] == "queued" or row["began_ms"] >= self._oldest_ms
        return is_to_come and row["run_id"] not in self._done

    async def _rows(self, *, further: bool = False) -> list[Row]:
        """The last runs, the oldest first. `further`: back to one that the reader has, however many came since."""
        if await self._look() is None:
            return []
        found: list[Row] = []
        while True:
            page = await self._service.runs(self._thread, limit=RUNS_MAX, offset=len(found))
            found += page
            if not further or len(page) < RUNS_MAX or not self._is_new(page[-1]):
                return found[::-1]
