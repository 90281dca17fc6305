"""The events of a thread as a stream: LangGraph's newer protocol, over server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import Response

from drumline_gateway.ask import Ask
from drumline_gateway.placing import Frame
from drumline_gateway.protocol_words import problem
from drumline_gateway.service import Row
from drumline_gateway.thread_feed import ThreadFeed
from drumline_gateway.thread_filter import read_subscription
from drumline_gateway.thread_runs import Look
from drumline_gateway.watched import room
from drumline_protocol.errors import NoBroker


async def stream(ask: Ask) -> Response:
    """Watch a thread, over all its runs: channels, namespaces and `since` in the body. It need not be there yet."""
    wanted = read_subscription(ask.fields.all)
    look = await looking(ask)
    with room(ask) as release:
        frames = _frames(ThreadFeed(ask.service, ask.id_of("thread"), wanted, look))
        return ask.streams.respond(frames, headers=ask.headers, release=release, breaks=True)


async def looking(ask: Ask) -> Look:
    """What looks whether the thread in the path is there and the caller's. UnknownThread (404) if it is another's."""
    thread = ask.id_of("thread")
    await ask.allow("threads", "read", {"thread_id": thread})
    mine = ask.filter

    async def look() -> Row | None:
        ask.filter = mine
        return await ask.thread_now(thread)

    await look()
    return look


async def _frames(feed: ThreadFeed) -> AsyncIterator[Frame]:
    """Events as frames. The last one, if there is one, says why no more come."""
    try:
        async for event in feed.events():
            if isinstance(event, BaseException):
                yield Frame("error", problem(None, event))
            else:
                yield Frame(event.method, event.shown(), event.id)
    except NoBroker:
        raise
    except Exception as error:
        told = problem(None, error)
        if told is None:
            raise
        yield Frame("error", told)
