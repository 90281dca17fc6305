"""From a run to a response that shows it as it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from drumline_gateway.ask import Ask
from drumline_gateway.cursors import BadEventId, parse_last_event_id
from drumline_gateway.errors import HttpError
from drumline_gateway.frames import Frames
from drumline_gateway.placing import Frame
from drumline_gateway.service import Wanted
from drumline_gateway.sse import frames_of


def place_of(run_id: str, thread: str | None, tail: str = "") -> dict[str, str]:
    """Headers that say where a run is, and where to come back to."""
    on = "" if thread is None else f"/threads/{quote(thread, safe='')}"
    run = f"{on}/runs/{quote(run_id, safe='')}"
    return {"Content-Location": run, **({"Location": f"{run}/{tail}"} if tail else {})}


@contextmanager
def room(ask: Ask) -> Iterator[Callable[[], None]]:
    """Take one of the caller's streams before anything is begun for it. Refused (429).

    What gives it back is the response's to call; it is called here if no response comes of it.
    """
    release = ask.guard.caps.stream(ask.identity)
    try:
        yield release
    except BaseException:
        release()
        raise


@dataclass(frozen=True, slots=True)
class Watched:
    """A run, and what of it a client is shown. `retracted` asks for events of that name."""

    run_id: str
    thread: str | None
    modes: list[str]
    subgraphs: bool
    retracted: bool

    def frames(self, ask: Ask, last_event_id: str | None = None) -> AsyncIterator[Frame]:
        """The run's frames, behind that one. HttpError 400 for an id that nobody gave out."""
        try:
            cursor = parse_last_event_id(last_event_id)
        except BadEventId as error:
            raise HttpError(400, str(error)) from None
        frames = Frames(self.run_id, self.modes, cursor=cursor, retracted=self.retracted)
        items = ask.service.items(self.run_id, self.thread, Wanted(frames.modes, self.subgraphs, frames.after))
        return frames_of(items, frames, ask.streams.counts)


def watch(
    ask: Ask,
    watched: Watched,
    *,
    release: Callable[[], None],
    last_event_id: str | None = None,
    on_disconnect: Callable[[], Awaitable[None]] | None = None,
) -> Response:
    """A stream of the run's frames. `release` comes of `room`. HttpError 400 as for `Watched.frames`."""
    shown = watched.frames(ask, last_event_id)
    # Who comes back by this address has no other way to say what it wants to see.
    asked = [
        *(("stream_mode", mode) for mode in watched.modes),
        *([("subgraphs", "true")] if watched.subgraphs else []),
    ]
    ask.headers.update(place_of(watched.run_id, watched.thread, f"stream?{urlencode(asked)}"))
    return ask.streams.respond(shown, headers=ask.headers, on_disconnect=on_disconnect, release=release)


async def gone(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
