"""An app as a process: a socket, uvicorn, and the end by a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from drumline.cli.signals import stop_on_signals
from drumline.settings import UsageError

#: how long requests that wait may take to end once the streams are closed
_CLOSE_S = 3
#: bytes of all headers of one request
_HEADER_BYTES_MAX = 64 * 1024
#: of a message of a WebSocket, and of such messages that wait
_MESSAGE_BYTES_MAX, _MESSAGES_MAX = 8 * 1024 * 1024, 8


def serve(
    app: Any,
    host: str,
    port: int,
    *,
    grace_s: float,
    on_ready: Callable[[str], None],
    on_leave: Callable[[], None] = lambda: None,
) -> None:
    """Serve an app until a signal comes. `on_ready` is told the address. UsageError if the port cannot be had.

    From the signal on `/ready` says no; after `grace_s` the streams that are open are closed without their end, so that
    clients come back, to another gateway. Then `on_leave` is called, and what is open is closed.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    with _bound(host, port) as sock:
        server = _Server(app, grace_s, lambda: on_ready(_address(sock)), on_leave)
        with stop_on_signals(server.stop):
            server.run([sock])


def config(app: Any) -> uvicorn.Config:
    """How uvicorn serves an app. Of its parsers h11 is the one that bounds headers."""
    return uvicorn.Config(
        app,
        http="h11",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_S,
        h11_max_incomplete_event_size=_HEADER_BYTES_MAX,
        ws_max_size=_MESSAGE_BYTES_MAX,
        ws_max_queue=_MESSAGES_MAX,
    )


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn tells what is not meant to be: streams of threads are broken off when all is stopped."""
    return "without completing response" not in record.getMessage()


class _Server(uvicorn.Server):
    """uvicorn, whose end is asked for from another thread."""

    def __init__(self, app: Any, grace_s: float, on_ready: Callable[[], None], on_leave: Callable[[], None]) -> None:
        super().__init__(config(app))
        self._streams = app.state.gateway.streams
        self._grace_s = grace_s
        self._on_ready = on_ready
        self._on_leave = on_leave
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are not uvicorn's: it would end the process by them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        if self.started:
            self._on_ready()

    def stop(self) -> None:
        """Let everybody go. May be called from any thread."""
        if self._loop is None:
            self.should_exit = True
            return
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop)

    async def _leave(self) -> None:
        try:
            await self._streams.drain(self._grace_s)
        finally:
            self._on_leave()
            self.should_exit = True


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
    with sock:
        yield sock


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
