"""One request on its way through a handler: who asks, what for, and of which service."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from drumline.metrics.of_gateway import GatewayCounts
from drumline_gateway import kept_assistants
from drumline_gateway.auth import Guard, Identity, matches, stamp, visible
from drumline_gateway.bodies import Fields, checked_id
from drumline_gateway.errors import unknown
from drumline_gateway.json_values import dumps
from drumline_gateway.served import Served
from drumline_gateway.service import Row, Service
from drumline_gateway.sse import Streams
from drumline_protocol.errors import UnknownRun, UnknownThread


@dataclass(slots=True)
class Ask:
    """What a handler is given. `body` is the JSON of the request, None for an empty one."""

    request: Request
    service: Service
    served: Served
    guard: Guard
    streams: Streams
    #: what counts; None: nobody does
    metrics: GatewayCounts | None
    identity: Identity
    body: Any = None
    #: what an answer's metadata must have, as the guard said last
    filter: Mapping[str, Any] | None = None
    #: headers of the answer
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> Fields:
        """The body as an object. HttpError 422."""
        return Fields(self.body)

    def id_of(self, kind: str) -> str:
        """The id of a thread or a run in the path. HttpError 422."""
        return checked_id(kind, self.request.path_params[f"{kind}_id"])

    # -- who may --------------------------------------------------------------------------------------

    async def allow(self, resource: str, action: str, value: dict[str, Any]) -> dict[str, Any]:
        """Ask the guard; `value`, as it may have changed it. Refused if the caller may not."""
        self.filter = await self.guard.allow(self.identity, resource, action, value)
        return value

    def sees(self, metadata: Mapping[str, Any]) -> bool:
        """Whether the caller may see what has this metadata, as far as was asked with `allow`."""
        return matches(metadata, self.filter)

    def stamped(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Metadata of what the caller makes or changes, as the guard wants them to be."""
        return stamp(metadata, self.filter)

    def shown(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Metadata as the caller sees them."""
        return visible(metadata)

    # -- what the path names --------------------------------------------------------------------------

    async def thread(self, action: str = "read", **value: Any) -> Row:
        """The thread in the path, if the caller may do that with it. UnknownThread (404) if not, or if it is not there.

        Every handler that touches a thread comes by here.
        """
        thread_id = self.id_of("thread")
        await self.allow("threads", action, {"thread_id": thread_id, **value})
        row = await self.thread_now(thread_id)
        if row is None:
            raise UnknownThread(thread_id)
        return row

    async def thread_if_there(self) -> Row | None:
        """The thread in the path, to be read; None if nobody has made it. UnknownThread if it is another's."""
        thread_id = self.id_of("thread")
        await self.allow("threads", "read", {"thread_id": thread_id})
        return await self.thread_now(thread_id)

    async def thread_now(self, thread_id: str) -> Row | None:
        """A thread that was asked for with `allow`; None if it is not there. UnknownThread if it is another's."""
        try:
            row = await self.service.thread(thread_id)
        except UnknownThread:
            return None
        if not self.sees(row["metadata"]):
            raise UnknownThread(thread_id)
        return row

    async def run(self, action: str = "read") -> tuple[Row, str | None]:
        """The run in the path and its thread (None: it is on none), if the caller may. UnknownRun, UnknownThread."""
        run_id = self.id_of("run")
        if "thread_id" in self.request.path_params:
            thread: str | None = (await self.thread(action))["thread_id"]
            return await self.service.run(run_id, thread), thread
        await self.allow("threads", action, {"run_id": run_id})
        row = await self.service.run(run_id, None)
        if not self.sees(row["metadata"]):
            raise UnknownRun(run_id)
        return row, None

    async def ended(self, run_id: str, thread: str | None) -> None:
        """Wait until a run is over, however it ends."""
        with suppress(Exception):  # what it raised is told to who reads it
            await self.service.result(run_id, thread)

    async def assistant(self, given: str = "", action: str = "read", **value: Any) -> tuple[Row, bytes | None]:
        """An assistant, by default that in the path, if the caller may do that with it; and what is kept of it (None:
        it is a graph's own, and every caller's). HttpError 404 if not, or if it is not there.
        """
        given = given or self.request.path_params["assistant_id"]
        await self.allow("assistants", action, {"assistant_id": given, **value})
        for anew in (False, True):
            graph = await self.served.graph_of(given, anew=anew)
            if graph is not None:
                return self.served.assistant(graph), None
            data = None if anew else await self.service.assistant(given)
            if data is not None:
                row = kept_assistants.shown(kept_assistants.read(data))
                if self.sees(row["metadata"]):
                    return row, data
        raise unknown("assistant", given)

    def graph(self, name: str) -> Any:
        """A graph that this process holds. HttpError 501 if it does not."""
        return self.served.held(name)

    # -- answers --------------------------------------------------------------------------------------

    def answer(self, value: Any, status: int = 200) -> Response:
        """A value as JSON."""
        return Response(dumps(value), status, self.headers, "application/json")

    def nothing(self, status: int = 204) -> Response:
        """An answer without a body."""
        return Response(b"", status, self.headers)
