"""The stream of one run over a WebSocket: the frames of the server-sent events, one message each.

A message is `{"id", "event", "data"}`. As with events, a stream that ends without `end` or `error` is a drop.
The client comes back with `last_event_id` in the query, since a browser sets no header there. What it says is passed
over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from drumline_gateway import sockets
from drumline_gateway.placing import Frame
from drumline_gateway.sockets import AGAIN, GONE, OVER, OVERLOADED
from drumline_protocol.errors import NoBroker

log = logging.getLogger("drumline.gateway")


class RunSocket:
    """One connection. A client that takes nothing for `stall_s` loses it."""

    def __init__(self, socket: WebSocket, frames: AsyncIterator[Frame], stall_s: float) -> None:
        self._socket = socket
        self._frames = frames
        self._stall_s = stall_s
        self._telling: asyncio.Task[int] | None = None

    def close(self) -> None:
        """End it where it is, for its client to come back."""
        if self._telling is not None:
            self._telling.cancel()

    async def serve(self) -> bool:
        """Tell all frames; whether the client has left before the last one."""
        self._telling, hearing = asyncio.create_task(self._tell()), asyncio.create_task(self._hear())
        try:
            await asyncio.wait({self._telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
            has_left = not self._telling.done()
        finally:
            self._telling.cancel()
            hearing.cancel()
            await asyncio.gather(self._telling, hearing, return_exceptions=True)
        if not has_left:
            code = AGAIN if self._telling.cancelled() else self._telling.result()
            await sockets.close(self._socket, code, self._stall_s)
        return has_left

    async def _tell(self) -> int:
        """The code with which the connection is closed."""
        try:
            async for frame in self._frames:
                told = {"id": frame.id or None, "event": frame.event, "data": frame.data}
                if not await sockets.send(self._socket, told, self._stall_s):
                    return OVERLOADED
        except NoBroker as error:
            log.warning("a WebSocket is closed, for its client to come back: %s", error)
            return OVERLOADED
        except GONE:  # we are about to hear of it
            return AGAIN
        except Exception:
            log.exception("a stream broke")
            return AGAIN
        return OVER

    async def _hear(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while (await self._socket.receive())["type"] != "websocket.disconnect":
                pass
