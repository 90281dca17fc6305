"""The ASGI app: the routes, and around each of them who asks, what may come in, and how errors are told."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from drumline import __version__
from drumline.cluster import Cluster
from drumline.metrics.book import MetricsNotInstalled
from drumline.metrics.of_gateway import GatewayCounts
from drumline_gateway.ask import Ask
from drumline_gateway.auth import Guard, Identity, cors, refuse_foreign
from drumline_gateway.bodies import read_body
from drumline_gateway.cluster_service import ClusterService
from drumline_gateway.errors import HttpError, status_of
from drumline_gateway.json_values import dumps
from drumline_gateway.of_runs import serve_socket
from drumline_gateway.of_thread_events import looking
from drumline_gateway.openapi import document
from drumline_gateway.route import Row
from drumline_gateway.routes import ROUTES, RUN_SOCKETS, SOCKETS
from drumline_gateway.served import Served
from drumline_gateway.service import Service
from drumline_gateway.sockets import REFUSED, close_reason
from drumline_gateway.sse import Streams
from drumline_gateway.thread_socket import ThreadSocket

log = logging.getLogger("drumline.gateway")

_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")


def asgi(
    cluster: Cluster,
    *,
    graphs: Mapping[str, Any] | None = None,
    guard: Guard | None = None,
    cors_origins: Sequence[str] = (),
) -> Starlette:
    """An ASGI app over a cluster. `drumline.gateway.asgi` is where users find it.

    `graphs`: compiled graphs by the names under which they are served. `guard` says who may do what; without one the
    environment does (`DRUMLINE_API_KEY`). `cors_origins`: web pages of other origins that may ask ("*": all).
    """
    return build(ClusterService(cluster, graphs), guard=guard, cors_origins=cors_origins)


def build(
    service: Service,
    *,
    guard: Guard | None = None,
    streams: Streams | None = None,
    cors_origins: Sequence[str] = (),
) -> Starlette:
    """The app over a service, which it opens with the first request, or with its lifespan, and closes with that."""
    guard = guard or Guard.from_environment(os.environ)
    gateway = Gateway(service, guard, streams or Streams(), cors_origins)
    middleware = cors(cors_origins)
    app = Starlette(
        routes=[
            *(Route(row.path, gateway.endpoint(row), methods=[row.method]) for row in ROUTES),
            *(WebSocketRoute(path, gateway.socket) for path in SOCKETS),
            *(WebSocketRoute(path, gateway.run_socket) for path in RUN_SOCKETS),
        ],
        middleware=[] if middleware is None else [middleware],
        exception_handlers={HTTPException: gateway.refuse},
        lifespan=gateway.lifespan,
    )
    app.state.gateway = gateway
    return app


class Gateway:
    """What all requests of an app share."""

    def __init__(self, service: Service, guard: Guard, streams: Streams, origins: Sequence[str]) -> None:
        self.service = service
        self.streams = streams
        self._served = Served(service, document(__version__, ROUTES))
        self._guard = guard
        self._origins = origins
        #: what counts; None: prometheus-client is not installed
        self.metrics = streams.counts = _counts()
        self._opening = asyncio.Lock()
        self._is_open = False

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """Open the service for as long as a server runs the app. An app that is mounted into another one has none."""
        await self.open()
        try:
            yield
        finally:
            self._is_open = False
            await self.service.aclose()

    async def open(self) -> None:
        """Open the service, if it is not."""
        async with self._opening:
            if not self._is_open:
                await self.service.open()
                self._is_open = True

    def endpoint(self, row: Row) -> Callable[[Request], Awaitable[Response]]:
        """The handler of a route as Starlette calls it."""

        async def endpoint(request: Request) -> Response:
            asked_s = time.monotonic()
            answer = await answered(request)
            if self.metrics is not None:
                self.metrics.answered(row.method, row.path, answer.status_code, time.monotonic() - asked_s)
            return answer

        async def answered(request: Request) -> Response:
            try:
                return await self._handle(row, request)
            except ClientDisconnect:
                return Response(status_code=499)
            except HttpError as error:
                return _problem(error.status, error.detail, error.headers)
            except Exception as error:
                status = status_of(error)
                if status is None:
                    log.exception("%s %s", row.method, row.path)
                    return _problem(500, f"{type(error).__name__}: see the log of the gateway")
                return _problem(status, str(error))

        return endpoint

    async def socket(self, socket: WebSocket) -> None:
        """A WebSocket of a thread, from its beginning to its end. A refusal is told by 4000 and the status of HTTP."""
        await self._admit(socket, self._serve)

    async def run_socket(self, socket: WebSocket) -> None:
        """A WebSocket of a run."""
        await self._admit(socket, self._watch)

    async def _admit(self, socket: WebSocket, serve: Callable[[WebSocket, Callable[[], Ask]], Awaitable[None]]) -> None:
        await socket.accept()  # a browser does not tell its page why it was refused before
        request = Request({**socket.scope, "type": "http", "method": "GET"})
        try:
            refuse_foreign(request, self._origins)
            identity = await self._guard.identify(request)
            release = self._guard.caps.stream(identity)
        except Exception as error:
            await _refuse(socket, error)
            return
        try:
            if not self._is_open:
                await self.open()
            await serve(socket, lambda: self._ask(request, identity))
        finally:
            release()

    async def _serve(self, socket: WebSocket, ask: Callable[[], Ask]) -> None:
        caps, streams = self._guard.caps, self.streams
        served = ThreadSocket(socket, ask, stall_s=streams.stall_s, size_max=caps.body_max)
        try:
            await looking(ask())
        except Exception as error:
            await _refuse(socket, error)
            return
        streams.entered(served)
        try:
            await served.serve()
        finally:
            streams.left(served)

    async def _watch(self, socket: WebSocket, ask: Callable[[], Ask]) -> None:
        try:
            await serve_socket(ask(), socket)
        except Exception as error:
            await _refuse(socket, error)

    def _ask(self, request: Request, identity: Identity, body: Any = None) -> Ask:
        return Ask(request, self.service, self._served, self._guard, self.streams, self.metrics, identity, body)

    async def _handle(self, row: Row, request: Request) -> Response:
        if row.is_open:
            return await self._answer(row, request, Identity())
        refuse_foreign(request, self._origins)
        identity = await self._guard.identify(request)
        release = self._guard.caps.request(identity)
        try:
            return await self._answer(row, request, identity)
        finally:
            release()

    async def _answer(self, row: Row, request: Request, identity: Identity) -> Response:
        if not self._is_open:
            await self.open()
        body = None
        if row.method in _WITH_BODY:
            body = await read_body(request, self._guard.caps.body_max)
        found: Response = await row.handler(self._ask(request, identity, body))
        return found

    async def refuse(self, _request: Request, error: Exception) -> Response:
        """What Starlette refuses by itself: a path or a method that is not there."""
        assert isinstance(error, HTTPException)
        if self.metrics is not None:
            self.metrics.refused(error.status_code)
        return _problem(error.status_code, str(error.detail), error.headers)


async def _refuse(socket: WebSocket, error: Exception) -> None:
    """Close a WebSocket that is not served. What is no client's fault is logged, and its text stays here."""
    status = error.status if isinstance(error, HttpError) else status_of(error)
    if status is None:
        log.error("a WebSocket could not be served", exc_info=error)
    with suppress(RuntimeError):  # it is closed
        await socket.close(REFUSED + (status or 500), close_reason(str(error)) if status else "")


def _counts() -> GatewayCounts | None:
    try:
        return GatewayCounts()
    except MetricsNotInstalled:
        return None


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps({"detail": detail}), status, dict(headers or {}), "application/json")
