"""The events of a thread, and commands to it, over one WebSocket: LangGraph's newer protocol.

What reads the thread waits until the client has room for an event: so a client that is slow slows only its own
reading, and one that takes nothing at all for `stall_s` loses its connection. It has lost no event: it subscribes
again, with `since` or from the beginning.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from drumline_gateway import sockets
from drumline_gateway.ask import Ask
from drumline_gateway.bodies import DEPTH_MAX, Fields, is_deeper
from drumline_gateway.errors import HttpError
from drumline_gateway.of_thread_commands import command_id
from drumline_gateway.of_thread_events import looking
from drumline_gateway.protocol_words import INVALID, NO_SUBSCRIPTION, ProtocolProblem, problem, success
from drumline_gateway.sockets import AGAIN, GONE, OVERLOADED, REFUSED, TOO_BIG
from drumline_gateway.thread_commands import obey, snake
from drumline_gateway.thread_events import ThreadEvent
from drumline_gateway.thread_feed import ThreadFeed, number_of
from drumline_gateway.thread_filter import Subscription, read_subscription
from drumline_gateway.thread_runs import Look
from drumline_gateway.thread_tape import Tape
from drumline_protocol.errors import NoBroker

log = logging.getLogger("drumline.gateway")

SUBSCRIPTIONS_MAX = 100


class _Stalled(Exception):
    """The client takes nothing."""


class ThreadSocket:
    """One connection. `ask` makes an `Ask` for each command."""

    def __init__(self, socket: WebSocket, ask: Callable[[], Ask], *, stall_s: float, size_max: int) -> None:
        self._socket = socket
        self._ask = ask
        self._stall_s = stall_s
        self._size_max = size_max
        self._sending = asyncio.Lock()
        self._look: Look | None = None
        self._tape = Tape(self._feed, self._told, self._over)
        self._count = 0
        #: behind which event subscriptions begin that do not say so
        self._since: int | None = None
        self._serving: asyncio.Task[None] | None = None
        self._code, self._reason = 1000, ""
        self._has_stalled = False

    def close(self, code: int = AGAIN, reason: str = "") -> None:
        """End the connection; by itself a client comes back to another gateway."""
        self._code, self._reason = code, reason
        if self._serving is not None:
            self._serving.cancel()

    async def serve(self) -> None:
        """Do what the client says until it goes, or `close` is called."""
        self._serving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({self._serving})
        finally:
            self._serving.cancel()
            await self._tape.stop()
            await asyncio.gather(self._serving, return_exceptions=True)
        await sockets.close(self._socket, self._code, self._stall_s, self._reason)

    # -- what comes ---------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            try:
                text = await self._socket.receive_text()
            except (WebSocketDisconnect, KeyError, RuntimeError):  # KeyError: it was bytes
                return
            if len(text) > self._size_max:
                return self.close(TOO_BIG, f"a message has at most {self._size_max} bytes")
            with suppress(_Stalled):
                await self._send(await self._answer(text))

    async def _answer(self, text: str) -> dict[str, Any]:
        id_: int | None = None
        try:
            given = _command(text)
            id_ = command_id(given)
            return await self._obey(id_, given)
        except Exception as error:
            told = problem(id_, error)
            if told is None:
                log.exception("a command over a WebSocket")
                told = problem(id_, HttpError(500, f"{type(error).__name__}: see the log of the gateway"))
            assert told is not None
            return told

    async def _obey(self, id_: int | None, given: dict[str, Any]) -> dict[str, Any]:
        own = {
            "subscription.subscribe": self._subscribe,
            "subscription.unsubscribe": self._unsubscribe,
            "subscription.reconnect": self._reconnect,
        }.get(str(given.get("method")))
        ask = self._ask()
        release = ask.guard.caps.request(ask.identity)
        try:
            if own is None:
                return await obey(ask, id_, given)
            if id_ is None:
                raise ProtocolProblem(INVALID, "id must be a whole number from 0 on.")
            params = given.get("params")
            return success(id_, await own(ask, Fields(snake(params) if isinstance(params, dict) else params, "params")))
        finally:
            release()

    # -- subscriptions ------------------------------------------------------------------------------

    async def _subscribe(self, ask: Ask, params: Fields) -> dict[str, Any]:
        if len(self._tape) >= SUBSCRIPTIONS_MAX:
            raise ProtocolProblem(INVALID, f"A connection has at most {SUBSCRIPTIONS_MAX} subscriptions.")
        wanted = read_subscription({"since": self._since, **params.all})
        self._look = await looking(ask)
        self._count += 1
        name = f"subscription-{self._count}"
        await self._tape.add(name, wanted)
        return {"subscription_id": name}

    async def _unsubscribe(self, _ask: Ask, params: Fields) -> dict[str, Any]:
        name = params.text("subscription_id")
        if name not in self._tape:
            raise ProtocolProblem(NO_SUBSCRIPTION, "There is no such subscription on this connection.")
        await self._tape.remove(name)
        return {}

    async def _reconnect(self, ask: Ask, params: Fields) -> dict[str, Any]:
        """From now on subscriptions begin behind the event that the client had last, on whichever connection."""
        thread = (await ask.thread())["thread_id"]
        run = await ask.service.run(params.text("run_id"), thread)
        last = params.text("last_event_id")
        if last:
            self._since = await number_of(ask.service, thread, run, last)
        # a subscription ends with its connection, so those of another one are not there to be restored
        return {"restored": all(name in self._tape for name in params.texts("subscriptions"))}

    # -- what goes ----------------------------------------------------------------------------------

    def _feed(self, wanted: Subscription) -> ThreadFeed:
        ask = self._ask()
        assert self._look is not None
        return ThreadFeed(ask.service, ask.id_of("thread"), wanted, self._look)

    async def _told(self, event: ThreadEvent | BaseException) -> None:
        told = problem(None, event) if isinstance(event, BaseException) else event.shown()
        await self._send(told or {})

    async def _over(self, error: Exception) -> None:
        """The thread cannot be read any more, or not here."""
        told = problem(None, error)
        if isinstance(error, _Stalled):
            return
        if isinstance(error, NoBroker):
            log.warning("a WebSocket is closed, for its client to come back: %s", error)
            self.close(OVERLOADED)
        elif told is None:
            log.error("a stream broke", exc_info=error)
            self.close(AGAIN)
        else:
            await self._send(told)
            self.close(REFUSED + 404)

    async def _send(self, message: dict[str, Any]) -> None:
        """Write one message, as soon as there is room. If there is none for too long, close and raise."""
        async with self._sending:
            if self._has_stalled:  # a message is lacking: nothing may come behind it
                raise _Stalled
            try:
                is_taken = await sockets.send(self._socket, message, self._stall_s)
            except GONE:  # we are about to hear of it
                return
        if not is_taken:
            self._has_stalled = True
            self.close(OVERLOADED)
            raise _Stalled


def _command(text: str) -> dict[str, Any]:
    """A message of the client. ProtocolProblem."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or is_deeper(found, DEPTH_MAX):
        raise ProtocolProblem(INVALID, "A message must be a command as JSON: {id, method, params}.")
    return found
