"""All events of a thread: those of its runs, one run after another, and on as it goes on.

A reader that has nothing yet gets the last runs from their beginnings, as far as their logs are there. Who asks only
for `lifecycle` and `input` wants to know how the thread stands: such a reader begins with the run that goes on or waits
for an answer, and at a thread at rest with the next one. LangGraph's Python client takes the end of any run for the end
of its own. It asks so before it starts a run on a thread that it knows, but after it if the thread is new: so a run
that was started just now is told of although it has ended, if no other such reader was told yet.

LangGraph's JavaScript client ends all its subscriptions with the end of a run. It asks for some of them (`values`, for
`thread.output`) only when it knows that the run is started. So no run's end is told before it can have asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from drumline_gateway.protocol_words import INVALID, ProtocolProblem
from drumline_gateway.service import Bell, Item, Row, Service, Wanted
from drumline_gateway.shapes import OPEN
from drumline_gateway.thread_events import RunEvents, ThreadEvent, modes_for, seq_of
from drumline_gateway.thread_filter import Subscription
from drumline_gateway.thread_runs import EventsMissed, Look, ThreadRuns
from drumline_protocol.errors import LogGap, ModeNotRecorded, NoBroker, RunExpired, UnknownRun

#: how long a run was started just now
_NEW_MS = 10_000
#: how long after it was asked for a run's end is told at the earliest
_END_AFTER_MS = 200
#: No run has more facts: behind so many numbers a reader has all of it.
_FACTS_MAX = 2**24

#: modes whose items are there only if a run was started with them
_RECORDED = frozenset(("custom", "messages", "tools"))


class ThreadFeed:
    """Reads one thread for one subscription. Iterate over `events`."""

    def __init__(self, service: Service, thread: str, wanted: Subscription, look: Look) -> None:
        self._service = service
        self._thread = thread
        self._wanted = wanted
        self._runs = ThreadRuns(service, thread, look, self._begin)

    async def events(self) -> AsyncGenerator[ThreadEvent | BaseException, None]:
        """Never ends by itself. An exception among them tells what was missed: the stream goes on behind it.

        UnknownThread if the thread is another's, NoBroker.
        """
        with self._service.bell(self._thread) as bell:
            async with aclosing(self._runs.each(bell)) as runs:
                async for run in runs:
                    if isinstance(run, EventsMissed):
                        yield run
                        continue
                    async with aclosing(self._of_run(run)) as events:
                        async for event in events:
                            yield event
                    if self._wanted.watches:
                        bell.tell_end(run["run_id"])

    # -- which runs ---------------------------------------------------------------------------------

    async def _begin(self, rows: list[Row], bell: Bell) -> tuple[list[Row], EventsMissed | None]:
        """The runs that are read, of these, and what is gone of them."""
        if self._wanted.since is not None:
            return await self._behind(rows, self._wanted.since)
        return (await self._standing(rows, bell) if self._wanted.watches else rows), None

    async def _standing(self, rows: list[Row], bell: Bell) -> list[Row]:
        """The runs that go on, or the one that waits for an answer, or that was started just now."""
        going = [row for row in rows if row["status"] in OPEN]
        if going or not rows:
            return going
        last = rows[-1]
        is_new = last["began_ms"] > await self._service.now_ms() - _NEW_MS and not bell.told_end(last["run_id"])
        return [last] if is_new or last["status"] == "paused" else []

    async def _behind(self, rows: list[Row], since: int) -> tuple[list[Row], EventsMissed | None]:
        """The runs that have something behind that event. Of those that wait all is to come."""
        found: list[Row] = []
        for row in reversed([row for row in rows if row["status"] != "queued"]):
            began = seq_of(row["began_ms"], 0)
            if began <= since:  # its first fact may be a little younger than its row
                began = await _began(self._service, self._thread, row)
            if began <= since and since - began > _FACTS_MAX:
                return found, None
            found.insert(0, row)
            if began <= since:
                return found, None
        # A client that has asked for a run goes on from there, however much later the run begins.
        if not rows or since < min(seq_of(row["created_ms"], 0) for row in rows) - 1:
            return found, EventsMissed(f"there is no event {since} of this thread any more")
        return found, None

    # -- one run ------------------------------------------------------------------------------------

    async def _of_run(self, run: Row) -> AsyncGenerator[ThreadEvent | BaseException, None]:
        """The events of a run that the reader has not, and asks for."""
        events = RunEvents(run["run_id"], run["began_ms"], self._wanted.since or 0)
        failed: BaseException | None = None
        try:
            async with aclosing(self._items(run["run_id"])) as items:
                async for item in items:
                    for event in events.item(item):
                        if self._takes(event):
                            yield event
        except NoBroker:
            raise
        except LogGap as error:
            yield EventsMissed(str(error))
            return
        except Exception as error:
            if isinstance(error, (RunExpired, UnknownRun)) and not events.has_begun:
                return
            failed = error
        for event in events.end(failed):
            if self._takes(event):
                if event.method == "lifecycle" and not event.ns:
                    await self._until_end_may_be_told(run)
                yield event

    async def _until_end_may_be_told(self, run: Row) -> None:
        """Wait until a client that asked for this run has asked for all that it wants of it."""
        left_ms = run["created_ms"] + _END_AFTER_MS - await self._service.now_ms()
        if left_ms > 0:
            await asyncio.sleep(min(left_ms, _END_AFTER_MS) / 1000)

    def _takes(self, event: ThreadEvent) -> bool:
        since = self._wanted.since
        return (since is None or event.seq >= since) and self._wanted.takes(event.method, event.ns, event.data)

    async def _items(self, run_id: str) -> AsyncGenerator[Item, None]:
        """The items of a run in the modes that are asked for, without those that it does not record."""
        modes = modes_for(self._wanted)
        for asked in (modes, tuple(mode for mode in modes if mode not in _RECORDED)):
            items: Any = self._service.items(run_id, self._thread, Wanted(asked, subgraphs=True))
            try:
                async for item in items:
                    yield item
                return
            except ModeNotRecorded:  # raised before the first item
                if asked is not modes or not _RECORDED.intersection(modes):
                    raise
            finally:
                await items.aclose()


async def number_of(service: Service, thread: str, run: Row, event_id: str) -> int:
    """The `seq` of an event of a run. ProtocolProblem for an id that no event of it has."""
    run_id, _, rest = event_id.removeprefix("synth:").partition(":")
    number = rest.partition(":")[0]
    if run_id != run["run_id"] or not number.isdecimal() or len(number) > 15:
        raise ProtocolProblem(INVALID, f"{event_id[:200]!r} is no id of an event of run {run['run_id']}.")
    return await _began(service, thread, run) + int(number)


async def _began(service: Service, thread: str, run: Row) -> int:
    """The number before all of a run's events."""
    items = service.items(run["run_id"], thread, Wanted(("facts",)))
    events = RunEvents(run["run_id"], run["began_ms"])
    try:
        async for item in items:
            list(events.item(item))
            break
    except NoBroker:
        raise
    except Exception:  # whoever reads the run is told
        pass
    finally:
        await items.aclose()
    return seq_of(events.began_ms, 0)


def before(run: Row) -> int:
    """The number before all events of a run that has just been asked for."""
    return seq_of(run["began_ms"], 0) - 1
