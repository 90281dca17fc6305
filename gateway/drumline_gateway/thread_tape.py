"""Several subscriptions to one thread that are read as one.

Clients look at each event for each of their subscriptions, and the end of a run ends what they make of its messages. So
the subscriptions of one connection must not overtake one another: one tape has what any of them asks for, in order.
With a new subscription the tape is read anew. What the others have is not told again, but for events of one fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from drumline_gateway.thread_events import ThreadEvent
from drumline_gateway.thread_feed import ThreadFeed
from drumline_gateway.thread_filter import Subscription

#: what reads a thread for a subscription
Feed = Callable[[Subscription], ThreadFeed]
#: takes what is told, in order
Tell = Callable[[ThreadEvent | BaseException], Awaitable[None]]


@dataclass(slots=True)
class _Reader:
    """A subscription, and the number up to which it has all events."""

    wanted: Subscription
    reached: int

    def takes(self, event: ThreadEvent) -> bool:
        return event.seq >= self.reached and self.wanted.takes(event.method, event.ns, event.data)


class Tape:
    """The subscriptions of one connection. `over` is told of the error with which reading ends."""

    def __init__(self, feed: Feed, tell: Tell, over: Callable[[Exception], Awaitable[None]]) -> None:
        self._feed = feed
        self._tell = tell
        self._over = over
        self._readers: dict[str, _Reader] = {}
        self._reading: asyncio.Task[None] | None = None
        #: the number of the event that was told last
        self._at = 0

    def __len__(self) -> int:
        return len(self._readers)

    def __contains__(self, name: str) -> bool:
        return name in self._readers

    async def add(self, name: str, wanted: Subscription) -> None:
        """Read for one more subscription."""
        await self.stop()
        for reader in self._readers.values():
            reader.reached = max(reader.reached, self._at)
        self._readers[name] = _Reader(wanted, wanted.since or 0)
        self._at = 0
        self._reading = asyncio.create_task(self._read(self._feed(self._all())))

    async def remove(self, name: str) -> None:
        """Read no more for a subscription."""
        del self._readers[name]
        if not self._readers:
            await self.stop()

    async def stop(self) -> None:
        """Read no more."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _all(self) -> Subscription:
        """What all subscriptions ask for."""
        wanted = [reader.wanted for reader in self._readers.values()]
        channels = frozenset(channel for each in wanted for channel in each.channels)
        begins = [each.since for each in wanted if each.since is not None]
        return Subscription(channels, since=min(begins) if len(begins) == len(wanted) else None)

    async def _read(self, feed: ThreadFeed) -> None:
        try:
            async with aclosing(feed.events()) as events:
                await self._pass_on(events)
        except Exception as error:
            await self._over(error)

    async def _pass_on(self, events: AsyncGenerator[ThreadEvent | BaseException, None]) -> None:
        async for event in events:
            if isinstance(event, BaseException) or any(reader.takes(event) for reader in list(self._readers.values())):
                await self._tell(event)
            if isinstance(event, ThreadEvent):
                self._at = event.seq
