"""All runs of a thread as one stream of LangGraph's older kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import quote, urlencode

from starlette.responses import Response

from drumline_gateway.ask import Ask
from drumline_gateway.bodies import query_flag
from drumline_gateway.cursors import BEGINNING, BadEventId, Cursor
from drumline_gateway.errors import HttpError, bad
from drumline_gateway.of_thread_events import looking
from drumline_gateway.placing import Frame
from drumline_gateway.service import Bell, Row, Service, Wanted
from drumline_gateway.shapes import OPEN
from drumline_gateway.thread_frames import RUN_MODES, THREAD_MODES, ThreadFrames, parse_thread_event_id
from drumline_gateway.thread_runs import EventsMissed, Look, ThreadRuns
from drumline_gateway.watched import room
from drumline_gateway.wishes import JOIN_MODES
from drumline_protocol.errors import LogGap, NoBroker, RunExpired, UnknownRun


async def join(ask: Ask) -> Response:
    """Watch all runs of a thread, those that go on and those that come; from the first one with `Last-Event-ID: -1`."""
    query = ask.request.query_params
    asked = [mode for text in query.getlist("stream_mode") for mode in text.split(",") if mode] or [RUN_MODES]
    for mode in asked:
        if mode not in THREAD_MODES:
            raise bad(f"stream_mode is one of {', '.join(THREAD_MODES)}, not {mode[:100]!r}.")
    thread = (await ask.thread())["thread_id"]
    look = await looking(ask)
    feed = JoinFeed(ask.service, thread, look, asked, subgraphs=query_flag(query, "subgraphs"))
    await feed.go_on(ask.request.headers.get("last-event-id"))
    again = urlencode(
        [*(("stream_mode", mode) for mode in asked), *([("subgraphs", "true")] if feed.subgraphs else [])]
    )
    place = f"/threads/{quote(thread, safe='')}/stream"
    ask.headers.update({"Content-Location": place, "Location": f"{place}?{again}"})
    with room(ask) as release:
        return ask.streams.respond(feed.frames(), headers=ask.headers, release=release)


class JoinFeed:
    """Reads one thread for one client."""

    def __init__(self, service: Service, thread: str, look: Look, asked: list[str], *, subgraphs: bool) -> None:
        self._service = service
        self._thread = thread
        self._asked = asked
        self.subgraphs = subgraphs
        self._runs = ThreadRuns(service, thread, look, self._begin)
        #: the run in which the client is, and where; "": before all, None: before what begins from now on
        self._run: str | None = None
        self._cursor: Cursor | None = BEGINNING

    async def go_on(self, last_event_id: str | None) -> None:
        """Begin behind a frame. HttpError 400 for an id that nobody gave out, 410 for one whose run is gone."""
        if last_event_id is None:
            return
        try:
            self._run, self._cursor = parse_thread_event_id(last_event_id)
            if self._run:
                await self._service.run(self._run, self._thread)
        except BadEventId as error:
            raise HttpError(400, str(error)) from None
        except UnknownRun as error:
            raise HttpError(410, str(error)) from None

    async def frames(self) -> AsyncIterator[Frame]:
        """The frames. They never end by themselves."""
        with self._service.bell(self._thread) as bell:
            async with aclosing(self._runs.each(bell)) as runs:
                async for run in runs:
                    if isinstance(run, EventsMissed):
                        yield Frame("missed", {"message": str(run)})
                        continue
                    async for frame in self._of_run(run):
                        yield frame

    async def _begin(self, rows: list[Row], _bell: Bell) -> tuple[list[Row], EventsMissed | None]:
        if self._run is None:
            return [row for row in rows if row["status"] in OPEN], None
        if not self._run:
            return rows, None
        place = next((n for n, row in enumerate(rows) if row["run_id"] == self._run), None)
        if place is None:
            return rows, EventsMissed(f"run {self._run} is too far back")
        return rows[place + (self._cursor is None) :], None

    async def _of_run(self, run: Row) -> AsyncIterator[Frame]:
        run_id = run["run_id"]
        cursor = self._cursor if run_id == self._run and self._cursor is not None else BEGINNING
        frames = ThreadFrames(run_id, self._asked, JOIN_MODES, cursor)
        failed: BaseException | None = None
        items = self._service.items(run_id, self._thread, Wanted(frames.modes, self.subgraphs, frames.after))
        try:
            for frame in frames.begin():
                yield frame
            async for item in items:
                for frame in frames.item(item):
                    yield frame
        except NoBroker:
            raise
        except (LogGap, RunExpired, UnknownRun) as error:
            yield Frame("missed", {"message": str(error)})
            return
        except Exception as error:
            failed = error
        finally:
            await items.aclose()
        yield frames.end(await self._status(run_id, failed), failed)

    async def _status(self, run_id: str, failed: BaseException | None) -> str:
        try:
            return str((await self._service.run(run_id, self._thread))["status"])
        except UnknownRun:  # deleted meanwhile
            return "done" if failed is None else "failed"
