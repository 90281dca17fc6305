"""What all WebSockets of a gateway have in common: the codes that end them, and that no client holds one up."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from drumline_gateway.json_values import dumps

log = logging.getLogger("drumline.gateway")

#: Codes with which a connection is closed. 4000 and the status of HTTP: the client need not come back.
OVER, AGAIN, TOO_BIG, OVERLOADED, REFUSED = 1000, 1012, 1009, 1013, 4000
#: what sending and closing raise where the client has gone by itself
GONE = (RuntimeError, WebSocketDisconnect, OSError)


def close_reason(text: str) -> str:
    """What of a text fits into the last frame of a WebSocket: 123 bytes."""
    return text.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")


async def send(socket: WebSocket, message: Any, stall_s: float) -> bool:
    """Send one message; False if the client took nothing for so long. What `GONE` has, where it has gone.

    `wait_for` may lose a cancellation before Python 3.12.
    """
    sending = asyncio.ensure_future(socket.send_text(dumps(message).decode()))
    try:
        done, _ = await asyncio.wait({sending}, timeout=stall_s)
    finally:
        sending.cancel()
    if not done:
        log.info("a client took nothing for %g s: its WebSocket is closed", stall_s)
        return False
    sending.result()
    return True


async def close(socket: WebSocket, code: int, stall_s: float, reason: str = "") -> None:
    """Close a connection, unless the client has gone by itself, or takes nothing for so long."""
    with suppress(*GONE, asyncio.TimeoutError):
        await asyncio.wait_for(socket.close(code, close_reason(reason)), stall_s)
