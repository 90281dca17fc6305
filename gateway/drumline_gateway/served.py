"""The graphs behind a gateway, by the names and ids under which clients ask for them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from drumline_gateway import shapes
from drumline_gateway.errors import HttpError
from drumline_gateway.service import Row, Service

#: for how long the names of the graphs are taken as they were, unless somebody asks for another one
_NAMES_S = 2.0


class Served:
    """The graphs of a service."""

    def __init__(self, service: Service, document: Mapping[str, Any]) -> None:
        self._service = service
        #: the OpenAPI document
        self.document = document
        self._names: list[str] = []
        self._asked = float("-inf")
        #: since when the gateway is there: its assistants are as old
        self.since_ms = int(time.time() * 1000)

    async def names(self, *, anew: bool = False) -> list[str]:
        """The graphs that are served, by name."""
        now = time.monotonic()
        if anew or now - self._asked > _NAMES_S:
            self._names, self._asked = list(await self._service.names()), now
        return self._names

    async def graph_of(self, assistant: str, *, anew: bool = False) -> str | None:
        """The graph whose own assistant this is, by its id or the graph's name; None if it is no graph's own."""
        for name in await self.names(anew=anew):
            if assistant in (name, shapes.assistant_id_of(name)):
                return name
        return None

    def assistant(self, name: str) -> Row:
        """The assistant that a graph has by itself."""
        described = getattr(getattr(self.get(name), "builder", None), "description", None)
        return shapes.assistant(name, described if isinstance(described, str) else None, self.since_ms)

    def held(self, name: str) -> Any:
        """A graph that this process holds. HttpError 501 for one that only coordinators and workers have."""
        graph = self._service.graphs.get(name)
        if graph is None:
            raise HttpError(
                501,
                f"The gateway does not hold graph {name!r}, and needs it for that: name its app when you start the "
                "gateway, as for a coordinator, or give drumline.gateway.asgi(..., graphs=).",
            )
        return graph

    def get(self, name: str) -> Any:
        """The same, or None."""
        return self._service.graphs.get(name)
