"""The page on which a person watches: its files, the facts of a run, and how everything stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response

from drumline_gateway.ask import Ask
from drumline_gateway.cursors import BadEventId, parse_last_event_id
from drumline_gateway.errors import HttpError, unknown
from drumline_gateway.page_files import INDEX, PageFile, page_files
from drumline_gateway.page_frames import MODES, RECORDED, PageFrames
from drumline_gateway.service import Item, Row, Wanted
from drumline_gateway.sse import frames_of
from drumline_gateway.watched import room
from drumline_protocol.errors import ModeNotRecorded, UnknownRun

#: runs of each kind that an overview names
RUNS_MAX = 30

#: The page is these files and nothing else: no other host is asked, and no script or style stands in the document.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def index(ask: Ask) -> Response:
    """The page for a person who watches."""
    return _file(ask, page_files()[INDEX])


async def asset(ask: Ask) -> Response:
    """A file of the page."""
    name = ask.request.path_params["name"]
    found = page_files().get(name)
    if found is None or name == INDEX:
        raise unknown("file", name)
    return _file(ask, found)


def _file(ask: Ask, file: PageFile) -> Response:
    headers = {**_HEADERS, "ETag": file.etag}
    named = [tag.strip().removeprefix("W/") for tag in ask.request.headers.get("if-none-match", "").split(",")]
    if file.etag in named or named == ["*"]:
        return Response(b"", 304, headers)
    return Response(file.data, 200, headers, file.media_type)


async def facts(ask: Ask) -> Response:
    """The facts of a run as events, from its beginning or behind `Last-Event-ID`, and on as it goes on."""
    try:
        cursor = parse_last_event_id(ask.request.headers.get("last-event-id"))
    except BadEventId as error:
        raise HttpError(400, str(error)) from None
    row, thread = await ask.run()
    with room(ask) as release:
        items = RecordedItems(ask, row["run_id"], thread, cursor.after)
        frames = frames_of(items, PageFrames(cursor.after), ask.streams.counts)
        return ask.streams.respond(frames, headers=ask.headers, release=release)


class RecordedItems:
    """The items of a run in the page's modes, without those modes that it does not record."""

    def __init__(self, ask: Ask, run_id: str, thread: str | None, after: str | None) -> None:
        self._ask = ask
        self._run_id = run_id
        self._thread = thread
        self._after = after
        self._items = self._open(MODES)

    def _open(self, modes: tuple[str, ...]) -> Any:
        wanted = Wanted(modes, subgraphs=True, after=self._after)
        return self._ask.service.items(self._run_id, self._thread, wanted)

    async def __aiter__(self) -> AsyncIterator[Item]:
        try:
            async for item in self._items:
                yield item
            return
        except ModeNotRecorded:  # raised before the first item
            await self._items.aclose()
        self._items = self._open(tuple(mode for mode in MODES if mode not in RECORDED))
        async for item in self._items:
            yield item

    async def aclose(self) -> None:
        """Stop reading."""
        await self._items.aclose()


async def overview(ask: Ask) -> Response:
    """How everything stands: coordinators, workers, pools and their queues, partitions, runs, failures."""
    await ask.allow("threads", "search", {"metadata": {}})
    found = await ask.service.overview(RUNS_MAX)
    if ask.filter:
        for kind in ("runs", "failed"):
            found[kind] = [run for run in found[kind] if await _is_seen(ask, run)]
        found["open_runs"] = len(found["runs"])
        found["broker"], found["unusable"] = "", []
    return ask.answer(found)


async def _is_seen(ask: Ask, run: Row) -> bool:
    """Whether the caller may see a run, as far as was asked with `allow`."""
    try:
        return ask.sees((await ask.service.run(run["run_id"], run["thread_id"]))["metadata"])
    except UnknownRun:
        return False
